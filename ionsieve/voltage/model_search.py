"""Which voltage model a command uses."""

from pathlib import Path

from ionsieve.model_search import SHIPPED_MODELS, FoundModel, Stage
from ionsieve.voltage.ensemble import Ensemble

OF_THE_WORKFLOW = Path("results/voltage/model")
SHIPPED = SHIPPED_MODELS / "voltage"


def find_model(given: Path | None) -> FoundModel[Ensemble]:
    """The voltage model that :meth:`ionsieve.model_search.Stage.find` finds."""
    return Stage("voltage", OF_THE_WORKFLOW, SHIPPED, Ensemble.load).find(given)
