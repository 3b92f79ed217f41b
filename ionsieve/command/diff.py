"""`ionsieve diff`: two runs side by side."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ionsieve.command.output import check_regular, mistakes_told, silence_libraries
from ionsieve.command.terminal import console, plain, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from ionsieve.run.comparison import Change, Comparison

EXAMPLES = """
Examples:

    ionsieve diff last_month/ this_month/

    ionsieve diff strict/results loose/results --out changes.csv
"""
MOST_SHOWN = 15


def diff(
    run_a: Annotated[
        Path, typer.Argument(metavar="RUN_A", help="A screening, or its results.", show_default=False)
    ],
    run_b: Annotated[
        Path, typer.Argument(metavar="RUN_B", help="The one to compare with it.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.csv",
            help="Where every change goes, one row each; the terminal shows the first ones.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show what two runs differ in, and why.

    Configuration, databases and model; who entered and who left the candidates, those that passed the
    funnel, and the shortlist, each with the reason (new, withdrawn, set aside, a threshold, a voltage that
    moved); whose numbers moved in the ranking, and what moved them. Voltages count as moved from 0.01 V on,
    other numbers from 1 %.

    The exit status is 0 whether they differ or not, 2 if the call itself is wrong.
    """
    with mistakes_told():
        if out is not None:
            check_regular(out)

        from ionsieve.run.comparison import compare
        from ionsieve.run.folder import RunFolder

        silence_libraries()
        with _rows_to(out) as write:
            _show(compare(RunFolder.find(run_a), RunFolder.find(run_b), write))


@contextmanager
def _rows_to(out: Path | None) -> Iterator["Callable[[Iterable[Change]], None]"]:
    """What writes changes as they are found; a file appears once all are in."""
    if out is None:
        yield lambda changes: None
        return
    import csv
    from dataclasses import astuple

    from ionsieve.artifacts import atomic_path
    from ionsieve.run.comparison import COLUMNS

    with atomic_path(out) as aside, aside.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        yield lambda changes: writer.writerows(map(astuple, changes))


def _show(found: "Comparison") -> None:
    out = console()
    if found.config:
        shown = table("configuration", "before", "after")
        for key, before, after in found.config:
            shown.add_row(plain(key), plain(before), plain(after))
        out.print(shown)
    for line in [*found.sources, *found.model, *_counted(found)]:
        out.print(plain(line))
    _show_changes("Largest moves of voltages", found.largest_moves)
    _show_changes("Passed the funnel", found.passed)
    _show_changes("Shortlist", found.shortlist)
    _show_changes("Ranking", found.ranking)
    if not found.differs:
        out.print("The two runs do not differ.")


def _counted(found: "Comparison") -> list[str]:
    counts = found.counts
    entered = sum(change.change == "entered" for change in found.candidates)
    lines = [
        f"candidates: {counts.before:,} before, {counts.after:,} after; {entered:,} entered,"
        f" {len(found.candidates) - entered:,} left, {counts.common:,} in both"
    ]
    if counts.structures_changed:
        lines.append(f"{counts.structures_changed:,} of those in both have another structure now")
    if counts.voltages_moved:
        mean_V = counts.absolute_moves_V / counts.voltages_moved
        lines.append(f"{counts.voltages_moved:,} of them have another voltage, by {mean_V:.3f} V in the mean")
    reasons: dict[tuple[str, str], int] = {}
    for change in found.candidates:
        key = change.change, change.why.partition(":")[0]
        reasons[key] = reasons.get(key, 0) + 1
    for (what, why), number in sorted(reasons.items(), key=lambda item: -item[1])[:MOST_SHOWN]:
        lines.append(f"  {what}: {number:,} x {why}")
    return lines


def _show_changes(title: str, changes: "list[Change]") -> None:
    if not changes:
        return
    shown = table("", "candidate", "formula", "what", "before", "after", "why", title=title)
    for change in changes[:MOST_SHOWN]:
        shown.add_row(
            *(plain(text) for text in (change.change, change.material_id, change.formula, change.quantity)),
            *(plain(text) for text in (change.before, change.after, change.why)),
        )
    out = console()
    out.print(shown)
    if len(changes) > MOST_SHOWN:
        out.print(f"and {len(changes) - MOST_SHOWN:,} more: --out FILE.csv has all of them")
