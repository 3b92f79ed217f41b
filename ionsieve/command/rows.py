"""A command's table, made as it is read: rows leave chunk by chunk, what is set aside is told and counted."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator

import pandas as pd

from ionsieve.data.records import kind_of

REASONS_SHOWN = 8
LONGEST_NAME_SHOWN = 80


class Rows(ABC):
    """Rows of predictions as CSV.

    Parameters
    ----------
    tell : takes one line per thing that is set aside.

    Attributes
    ----------
    predicted, outside : rows so far, and those of them outside the model's domain.
    reasons : of what was set aside so far.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._times_seen: dict[str, int] = {}
        self.predicted = 0
        self.outside = 0
        self.reasons: Counter[str] = Counter()

    @abstractmethod
    def _tables(self) -> Iterator[pd.DataFrame]:
        """The rows, a chunk at a time; ``in_domain`` among their columns."""

    def as_csv(self) -> Iterator[str]:
        """The table as CSV, chunk by chunk; six significant digits keep noise in the last bit out."""
        for rows in self._tables():
            header = not self.predicted
            self.predicted += len(rows)
            self.outside += int((~rows["in_domain"]).sum())
            yield rows.to_csv(index=False, header=header, float_format="%.6g", lineterminator="\n")

    def conclusion(self) -> list[str]:
        """What is to be said once all rows are out, a line each."""
        return [self.summary()]

    def summary(self) -> str:
        """Counts, with the reasons of what was set aside."""
        outside = f" ({self.outside:,} of them outside the model's domain)" if self.outside else ""
        common = [f"{count:,} x {reason}" for reason, count in self.reasons.most_common(REASONS_SHOWN)]
        others = len(self.reasons) - len(common)
        reasons = ", ".join([*common, *([f"{others:,} other reasons"] if others else [])])
        rejected = f"{self.reasons.total():,} rejected" + (f": {reasons}" if reasons else "")
        return f"{self.predicted:,} predicted{outside}, {rejected}"

    def _distinct(self, material_id: str, where: str) -> str:
        """The id itself the first time; later with the number of its occurrence, which is told."""
        # The one break of a line that Python's writer of CSV does not quote.
        material_id = material_id.replace("\r", "\\r")
        if material_id not in self._times_seen:
            self._times_seen[material_id] = 1
            return material_id
        distinct = material_id
        while distinct in self._times_seen:
            self._times_seen[material_id] += 1
            distinct = f"{material_id}_{self._times_seen[material_id]}"
        self._times_seen[distinct] = 1
        self._tell(in_one_line(f"{material_id} occurs again, in {where}: {distinct} in the table"))
        return distinct

    def _reject(self, what: str, reason: str) -> None:
        self.reasons[kind_of(reason)] += 1
        self._tell(f"rejected {in_one_line(what)}: {in_one_line(reason)}")


def in_one_line(text: str) -> str:
    """Text as a message can hold it: what would break or garble the line is shown in escapes."""
    return text if text.isprintable() else repr(text)[1:-1]


def shortened(name: str) -> str:
    """A name that leaves room for what is said of it."""
    return name if len(name) <= LONGEST_NAME_SHOWN else f"{name[:LONGEST_NAME_SHOWN]}..."
