"""Which discharge model a command uses, and what is said of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionsieve.discharge.ensemble import Ensemble
from ionsieve.errors import DataError
from ionsieve.model_search import find_folder, read_folder
from ionsieve.plurals import noun

OF_THE_WORKFLOW = Path("results/discharge/model")
REMEDY = (
    "train one with `snakemake --cores 2 discharge_train`, convert released weights with"
    " `ionsieve discharge-convert WEIGHTS... --out models/drxnet` and give --model models/drxnet, or name"
    " another with --model"
)


@dataclass(frozen=True)
class FoundModel:
    """A model on disk.

    Attributes
    ----------
    folder : where it lies.
    ensemble : what predicts.
    card : what it learned from.
    """

    folder: Path
    ensemble: Ensemble
    card: dict[str, Any]

    def introduction(self) -> str:
        """What a user must know before trusting its curves, a line.

        Raises
        ------
        DataError : the card lacks it.
        """
        try:
            label, licence = self.card["label"], self.card["licence"]
            settings, provenance = self.card["settings"], self.card["provenance"]
        except KeyError as error:
            raise DataError(f"the card of {self.folder} lacks {error}; {REMEDY}") from error
        members = len(self.ensemble.members)
        return (
            f"model {self.folder}: {members} {noun(members, 'member')}, settings {settings}, labels:"
            f" {label}; {provenance}; licence: {licence}"
        )


def find_model(given: Path | None) -> FoundModel:
    """The model in ``given``, else the workflow's below the current folder.

    None ships with IonSieve: the weights that exist are other people's.

    Raises
    ------
    DataError : there is none, or it is damaged. No other stands in for a damaged one.
    """
    folder = find_folder(given, OF_THE_WORKFLOW)
    if folder is None:
        raise DataError(
            f"there is no discharge model in {OF_THE_WORKFLOW}. To get one,\n"
            "  train it on your cells: name their files in config.yaml, then `snakemake --cores 2"
            " discharge_train`,\n"
            "  or convert the released weights of a DRXNet checkout: `ionsieve discharge-convert"
            " DRXNet/drxnet/pretrained/model_* --out models/drxnet`, then give --model models/drxnet"
        )
    ensemble, card = read_folder(
        folder, "discharge", lambda state, _: Ensemble.load(state.parent, REMEDY), REMEDY
    )
    return FoundModel(folder, ensemble, card)
