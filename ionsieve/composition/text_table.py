"""A table in words, to be put into Markdown or into the report's HTML."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TextTable:
    """Cells as a reader sees them; ``-`` where there is no value, and code between backticks.

    Attributes
    ----------
    title : its heading.
    header, rows : of equal length; without a header there is no table, only text.
    words : columns that hold words; all others hold numbers.
    formulas : columns that hold chemical formulas.
    before, after : a paragraph above and one below; empty for none.
    """

    title: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    words: tuple[int, ...] = (0,)
    formulas: tuple[int, ...] = ()
    before: str = ""
    after: str = ""

    def to_markdown(self) -> str:
        """Heading, paragraphs and table, without a line break at the end."""
        parts = [f"### {self.title}", self.before]
        if self.header:
            lines = [self.header, ("---",) * len(self.header), *self.rows]
            parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
        return "\n\n".join(part for part in [*parts, self.after] if part)
