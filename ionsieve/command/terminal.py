"""What the commands that show a run share: tables for a terminal, and lengths of time in words."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# A pipe or a file has no width; reasons should stay in one piece there.
WIDTH_WITHOUT_TERMINAL = 110
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def console() -> "Console":
    """Standard output, as wide as it is."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL, highlight=False)


def table(*columns: str, title: str | None = None, right: tuple[str, ...] = ()) -> "Table":
    """A table without frame; columns named in ``right`` are numbers."""
    from rich.box import SIMPLE
    from rich.table import Table

    shown = Table(box=SIMPLE, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for name in columns:
        shown.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return shown


def plain(text: object) -> str:
    """Text in which rich sees no markup."""
    from rich.markup import escape

    return escape(str(text))


def duration(seconds: float | None) -> str:
    """``45 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``; unknown where it is None."""
    if seconds is None:
        return "unknown"
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    if seconds < DAY_S:
        minutes = round(seconds / MINUTE_S)
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / HOUR_S)
    return f"{hours // 24} d {hours % 24} h"
