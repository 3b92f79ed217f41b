"""Which model of a stage a command uses, and what its card says of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ionsieve.artifacts import read_json
from ionsieve.errors import DataError, first_line
from ionsieve.voltage.uncertainty import Uncertainty
from ionsieve.workflow_call import snakemake_call

STATE, CARD = "state.pt", "card.json"
SHIPPED_MODELS = Path(__file__).parent / "models"


class Calibrated(Protocol):
    """What a model of any stage has: members, and what calibrates their interval."""

    @property
    def uncertainty(self) -> Uncertainty:
        """Of the predictions."""


E = TypeVar("E", bound=Calibrated)
T = TypeVar("T")


@dataclass(frozen=True)
class Stage(Generic[E]):
    """Where the models of a stage lie, and how they are read.

    Attributes
    ----------
    name : of the stage; ``snakemake {name}_model`` trains its model.
    of_the_workflow : folder of the workflow's model, below the current folder.
    shipped : folder of the model that ships with IonSieve.
    load : reads a state; its second argument ends the message about one that it cannot read.
    """

    name: str
    of_the_workflow: Path
    shipped: Path
    load: Callable[[Path, str], E]

    @property
    def training(self) -> str:
        """The command that trains a model."""
        return f"`{snakemake_call(f'--cores 4 {self.name}_model')}`"

    @property
    def remedy(self) -> str:
        """What helps where a model cannot be used."""
        return f"train one with {self.training}, or name the folder of another with --model"

    def find(self, given: Path | None) -> "FoundModel[E]":
        """The model in ``given``, else the workflow's below the current folder, else the one that ships.

        Raises
        ------
        DataError : there is none, or it is damaged or of another version. No other model stands in for a
            damaged one, since the numbers would silently be others.
        """
        folder = find_folder(given, self.of_the_workflow, self.shipped)
        if folder is None:
            raise DataError(
                f"there is no {self.name} model in {self.of_the_workflow} or {self.shipped}; {self.remedy}"
            )
        ensemble, card = read_folder(folder, self.name, self.load, self.remedy)
        return FoundModel(self, folder, ensemble, card)


def find_folder(given: Path | None, *others: Path) -> Path | None:
    """The folder given, else the first of the others that holds something of a model, else None.

    Raises
    ------
    DataError : what is given is no folder.
    """
    if given is not None:
        if not given.is_dir():
            raise DataError(f"--model {given} is no folder; name the folder that holds {STATE} and {CARD}")
        return given
    for folder in others:
        if (folder / STATE).exists() or (folder / CARD).exists():
            return folder
    return None


def read_folder(
    folder: Path, stage: str, load: Callable[[Path, str], T], remedy: str
) -> tuple[T, dict[str, Any]]:
    """What predicts, read by ``load`` from a state, and the card of the model of a stage.

    Raises
    ------
    DataError : a file is missing, damaged or of another version; the message ends in the remedy.
    """
    for name in (STATE, CARD):
        if not (folder / name).is_file():
            raise DataError(f"{folder} is no {stage} model: it lacks {name}; {remedy}")
    try:
        ensemble = load(folder / STATE, remedy)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        # Whatever a state of other sizes or names makes its reader raise.
        raise DataError(
            f"{folder / STATE} is damaged or was made by another version of IonSieve"
            f" ({first_line(error)}); {remedy}"
        ) from error
    try:
        card = read_json(folder / CARD)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / CARD} is damaged ({first_line(error)}); {remedy}") from error
    if not isinstance(card, dict):
        raise DataError(f"{folder / CARD} is damaged (it holds no model card); {remedy}")
    return ensemble, card


@dataclass(frozen=True)
class FoundModel(Generic[E]):
    """A model on disk.

    Attributes
    ----------
    stage : whose model it is.
    folder : where it lies.
    ensemble : what predicts.
    card : what it learned from and how good it is.
    """

    stage: Stage[E]
    folder: Path
    ensemble: E
    card: dict[str, Any]

    def introduction(self, working_ion: str) -> list[str]:
        """What a user must know before trusting its voltages for this ion, a line each.

        Raises
        ------
        DataError : the card lacks what is to be said.
        """
        with self._card_read():
            return self._introduction(working_ion)

    def experience(self, working_ion: str) -> str:
        """What it knows of one more ion, in a line.

        Raises
        ------
        DataError : the card lacks what is to be said.
        """
        with self._card_read():
            if working_ion not in self.card["electrodes_by_ion"]:
                return self._warning(working_ion)
            mae_V = self.card["metrics"]["protocols"]["framework"]["by_ion"][working_ion]["mae_V"]
            return (
                f"{self.card['electrodes_by_ion'][working_ion]:,} of its electrodes with {working_ion};"
                f" mean absolute error on frameworks it had not seen {mae_V:.2f} V with {working_ion}"
            )

    @contextmanager
    def _card_read(self) -> Iterator[None]:
        try:
            yield
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self.folder / CARD} lacks what this version of IonSieve looks for ({error});"
                f" {self.stage.remedy}"
            ) from error

    def _warning(self, working_ion: str) -> str:
        return (
            f"warning: none of its electrodes works with {working_ion} (only"
            f" {', '.join(self.card['electrodes_by_ion'])}): these voltages are extrapolated, and no interval"
            " speaks for their error"
        )

    def _introduction(self, working_ion: str) -> list[str]:
        kinds = self.card["label_kinds"]
        labels = (
            next(iter(kinds)) if len(kinds) == 1 else ", ".join(f"{n:,} {kind}" for kind, n in kinds.items())
        )
        by_ion = self.card["electrodes_by_ion"]
        metrics = self.card["metrics"]["protocols"]["framework"]
        lines = [
            f"model {self.folder}: learned from {self.card['electrodes']:,} electrodes (labels: {labels}),"
            f" {by_ion.get(working_ion, 0):,} of them with {working_ion}; mean absolute error on frameworks"
            f" it had not seen {metrics['all']['mae_V']:.2f} V"
        ]
        if working_ion in by_ion:
            lines[0] += (
                f" ({metrics['by_ion'][working_ion]['mae_V']:.2f} V with {working_ion});"
                f" intervals of {100 * self.ensemble.uncertainty.coverage:g} % coverage"
            )
        else:
            lines.append(self._warning(working_ion))
        if self.folder == self.stage.shipped:
            lines.append(
                f"this small model ships with IonSieve and learned from its demo set; {self.stage.training}"
                f" trains one on your data into {self.stage.of_the_workflow}"
            )
        return lines
