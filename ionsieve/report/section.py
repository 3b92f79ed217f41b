"""A section of the page, before its template is filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ionsieve.report.figures import Figure


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section.

    Attributes
    ----------
    name : of its template, ``sections/{name}.html.jinja``; one that renders to nothing is left out.
    anchor : id that the page's navigation leads to.
    title : in the navigation.
    context : what the template is filled with.
    figures : its figures; None for those that the run has no data for.
    """

    name: str
    anchor: str
    title: str
    context: Mapping[str, Any]
    figures: Sequence[Figure | None] = field(default=())

    def drawn(self) -> dict[str, Figure]:
        """The figures that there are, by name."""
        return {figure.name: figure for figure in self.figures if figure is not None}
