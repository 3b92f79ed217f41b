"""Which composition model a command uses."""

from pathlib import Path

from ionsieve.composition.ensemble import CompositionEnsemble
from ionsieve.model_search import SHIPPED_MODELS, FoundModel, Stage

OF_THE_WORKFLOW = Path("results/composition/model")
SHIPPED = SHIPPED_MODELS / "composition"


def find_model(given: Path | None) -> FoundModel[CompositionEnsemble]:
    """The composition model that :meth:`ionsieve.model_search.Stage.find` finds."""
    return Stage("composition", OF_THE_WORKFLOW, SHIPPED, CompositionEnsemble.load).find(given)
