"""`ionsieve doctor`: what this machine can run."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ionsieve.command.output import mistakes_told, silence_libraries, stop
from ionsieve.command.terminal import console, plain, table

if TYPE_CHECKING:
    from ionsieve.environment import Check

EXAMPLES = """
Examples:

    ionsieve doctor

    ionsieve doctor --online

    ionsieve doctor --json | python -m json.tool
"""
CANNOT_SCREEN = 1


def doctor(
    online: Annotated[
        bool, typer.Option("--online", help="Ask the Materials Project whether it accepts your key.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON, for scripts.")] = False,
) -> None:
    """Show what this machine can run, and what helps where it cannot.

    Grouped by what it is needed for. Only `screening` is needed for a first run; a warning there stops
    nothing. Nothing is installed or changed, and no key is shown. The exit status is 0 if the screening of
    the shipped data can run, else 1.
    """
    with mistakes_told():
        from ionsieve.environment import can_screen, checks

        silence_libraries()
        found = list(checks(Path("results"), online=online))
        if as_json:
            import json

            document = {"can_screen": can_screen(found), "checks": [asdict(check) for check in found]}
            typer.echo(json.dumps(document, indent=2))
        else:
            _show(found)
        if not can_screen(found):
            stop("the screening cannot run here: see what is missing under screening", CANNOT_SCREEN)


def _show(found: "list[Check]") -> None:
    from ionsieve.environment import GROUPS

    styles = {"ok": "green", "missing": "red", "warning": "yellow"}
    for group in GROUPS:
        shown = table("", "", "", title=group)
        shown.show_header = False
        for check in found:
            if check.group == group:
                told = check.found + (f"\n-> {check.remedy}" if check.remedy else "")
                shown.add_row(f"[{styles[check.state]}]{check.state}[/]", plain(check.name), plain(told))
        console().print(shown)
