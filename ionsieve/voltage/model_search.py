"""Which voltage model a command uses, and what its card says of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionsieve.artifacts import read_json
from ionsieve.errors import DataError, first_line
from ionsieve.voltage.ensemble import Ensemble

STATE, CARD = "state.pt", "card.json"
OF_THE_WORKFLOW = Path("results/voltage/model")
SHIPPED = Path(__file__).parents[1] / "models" / "voltage"
REMEDY = "train one with `snakemake --cores 4 voltage_model`, or name the folder of another with --model"


@dataclass(frozen=True)
class VoltageModel:
    """A voltage model on disk.

    Attributes
    ----------
    folder : where it lies.
    ensemble : its networks and what calibrates their interval.
    card : what it learned from and how good it is; see :func:`ionsieve.voltage.ensemble.model_card`.
    """

    folder: Path
    ensemble: Ensemble
    card: dict[str, Any]

    def introduction(self, working_ion: str) -> list[str]:
        """What a user must know before trusting its voltages for this ion, a line each.

        Raises
        ------
        DataError : the card lacks what is to be said.
        """
        try:
            return self._introduction(working_ion)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self.folder / CARD} lacks what this version of IonSieve looks for ({error}); {REMEDY}"
            ) from error

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
            lines.append(
                f"warning: none of its electrodes works with {working_ion} (only {', '.join(by_ion)}): these"
                " voltages are extrapolated, and no interval speaks for their error"
            )
        if self.folder == SHIPPED:
            lines.append(
                "this small model ships with IonSieve and learned from its demo set; `snakemake --cores 4"
                f" voltage_model` trains one on your data into {OF_THE_WORKFLOW}"
            )
        return lines


def find_model(given: Path | None) -> VoltageModel:
    """The model in ``given``, else the workflow's below the current folder, else the one that ships.

    Raises
    ------
    DataError : there is none, or it is damaged or of another version. No other model stands in for a
        damaged one, since the numbers would silently be others.
    """
    if given is not None:
        if not given.is_dir():
            raise DataError(f"--model {given} is no folder; name the folder that holds {STATE} and {CARD}")
        return _load(given)
    for folder in (OF_THE_WORKFLOW, SHIPPED):
        if (folder / STATE).exists() or (folder / CARD).exists():
            return _load(folder)
    raise DataError(f"there is no voltage model in {OF_THE_WORKFLOW} or {SHIPPED}; {REMEDY}")


def _load(folder: Path) -> VoltageModel:
    for name in (STATE, CARD):
        if not (folder / name).is_file():
            raise DataError(f"{folder} is no voltage model: it lacks {name}; {REMEDY}")
    try:
        ensemble = Ensemble.load(folder / STATE, REMEDY)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        # Whatever a state of other sizes or names makes its reader raise.
        raise DataError(
            f"{folder / STATE} is damaged or was made by another version of IonSieve"
            f" ({first_line(error)}); {REMEDY}"
        ) from error
    try:
        card = read_json(folder / CARD)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / CARD} is damaged ({first_line(error)}); {REMEDY}") from error
    if not isinstance(card, dict):
        raise DataError(f"{folder / CARD} is damaged (it holds no model card); {REMEDY}")
    return VoltageModel(folder, ensemble, card)
