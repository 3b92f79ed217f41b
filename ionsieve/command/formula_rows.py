"""From formulas to rows of voltages, a chunk in memory at a time."""

from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from ionsieve.command.rows import Rows, in_one_line, shortened
from ionsieve.composition.ensemble import CompositionEnsemble
from ionsieve.composition.formula_files import DamagedRow, FormulaFile, FormulaRecord
from ionsieve.composition.formulas import FormulaError, Pair, charged_formula, pair_of
from ionsieve.composition.pairs import Pairs
from ionsieve.errors import DataError
from ionsieve.model_search import FoundModel

COLUMNS = ["material_id", "formula", "voltage_V", "voltage_low_V", "voltage_high_V", "in_domain"]
FORMULAS_PER_CHUNK = 2048
NAMES_SHOWN = 5
UNCHECKED = (
    "the model checks neither charge balance nor limits of redox couples: whether a host can give up these"
    " ions is for you to judge"
)


class FormulaRows(Rows):
    """The table of `ionsieve predict-formula`, made as it is read.

    Parameters
    ----------
    records : materials that the user named one by one.
    file : more of them, or None.
    model : the composition model.
    introduced_ion : the working ion whose part in the model's training has been told, or None.
    tell : takes one line per formula or file that is set aside, and per working ion.
    """

    def __init__(
        self,
        records: Sequence[FormulaRecord],
        file: FormulaFile | None,
        model: FoundModel[CompositionEnsemble],
        introduced_ion: str | None,
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(tell)
        self._records = records
        self._file = file
        self._model = model
        self._introduced_ions = set() if introduced_ion is None else {introduced_ion}
        self._assumed = _Examples()
        self._known_hosts = _Examples()

    def conclusion(self) -> list[str]:
        """From what the voltages follow where that is not plain, what nothing checks, and the counts."""
        lines = []
        if self._assumed.first is not None:
            formula, ion = self._assumed.first.formula, self._assumed.first.working_ion
            left = charged_formula(formula, ion)
            name = _name(formula)
            lines.append(
                f"{name}: charged formula not given; taken as {left} (all {ion} leaves)"
                if self._assumed.count == 1
                else f"{self._assumed.count:,} formulas: charged formula not given; taken as what is left"
                f" when all ions leave, for instance {left} of {name} (all {ion} leaves)"
            )
        if self._known_hosts.first is not None:
            name = _name(self._known_hosts.first.formula)
            lines.append(
                f"{name}: its host was in training: predicted by the member that never saw it"
                if self._known_hosts.count == 1
                else f"{self._known_hosts.count:,} formulas, for instance {name}: their host was in training:"
                " each predicted by the member that never saw it"
            )
        if self.predicted:
            lines.append(UNCHECKED)
        return [*lines, *super().conclusion()]

    def _tables(self) -> Iterator[pd.DataFrame]:
        records: list[FormulaRecord] = []
        pairs: list[Pair] = []
        for record, pair in self._pairs():
            records.append(record)
            pairs.append(pair)
            if len(records) == FORMULAS_PER_CHUNK:
                yield self._predict(records, pairs)
                records, pairs = [], []
        if records:
            yield self._predict(records, pairs)

    def _predict(self, records: list[FormulaRecord], pairs: list[Pair]) -> pd.DataFrame:
        for ion in dict.fromkeys(pair.working_ion for pair in pairs):
            if ion in self._introduced_ions:
                continue
            is_first = not self._introduced_ions
            for line in self._model.introduction(ion) if is_first else [self._model.experience(ion)]:
                self._tell(line)
            self._introduced_ions.add(ion)
        rows = self._model.ensemble.predict(Pairs.of(pairs))
        for record, known in zip(records, rows["known_host"], strict=True):
            if record.charged is None:
                self._assumed.add(record)
            if known:
                self._known_hosts.add(record)
        return rows.assign(
            material_id=[record.material_id for record in records],
            formula=[record.formula for record in records],
        )[COLUMNS]

    def _pairs(self) -> Iterator[tuple[FormulaRecord, Pair]]:
        """Records and what they mean; what means nothing is told and counted."""
        for record in self._records:
            yield from self._checked(record, "", "the arguments")
        if self._file is None:
            return
        path = self._file.path
        columns_told = False
        try:
            for row in self._file.rows():
                if not columns_told:
                    self._tell_columns(self._file)
                    columns_told = True
                if isinstance(row, DamagedRow):
                    self._reject(f"{shortened(row.material_id)} ({path}, line {row.line})", row.reason)
                else:
                    yield from self._checked(row, f" ({path}, line {self._file.line})", str(path))
        except DataError as error:
            self._reject(str(path), str(error))

    def _checked(self, record: FormulaRecord, place: str, where: str) -> Iterator[tuple[FormulaRecord, Pair]]:
        try:
            pair = pair_of(record.formula, record.working_ion, record.charged)
        except FormulaError as error:
            self._reject(f"{shortened(record.material_id)}{place}", str(error))
            return
        material_id = self._distinct(record.material_id, where)
        # Blanks within a formula mean nothing; broken lines would only garble the table.
        formula = " ".join(record.formula.split())
        yield FormulaRecord(material_id, formula, record.working_ion, record.charged), pair

    def _tell_columns(self, file: FormulaFile) -> None:
        """A column whose name is another or misspelt must not go unnoticed."""
        if file.other_columns:
            names = ", ".join(shortened(name) for name in file.other_columns[:NAMES_SHOWN])
            more = ", ..." if len(file.other_columns) > NAMES_SHOWN else ""
            meant = "".join(
                f"; if {name} is meant as {column}, rename it" for name, column in file.misnamed.items()
            )
            self._tell(in_one_line(f"columns of {file.path} that are not read: {names}{more}{meant}"))


class _Examples:
    """How many there are, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: FormulaRecord | None = None

    def add(self, record: FormulaRecord) -> None:
        self.count += 1
        self.first = self.first or record


def _name(formula: str) -> str:
    return in_one_line(shortened(formula))
