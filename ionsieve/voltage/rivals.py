"""The models of the benchmark, by name, behind one call: train on these rows, predict those.

Torch and LightGBM are imported where a model is trained: the workflow reads this registry when it plans.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ionsieve.errors import DataError
from ionsieve.voltage.leakage import blinded
from ionsieve.voltage.metrics import ion_mean_predictions_V

if TYPE_CHECKING:
    from ionsieve.voltage.electrodes import Electrodes
    from ionsieve.voltage.members import Architecture
    from ionsieve.voltage.training import Schedule


@dataclass(frozen=True)
class Settings:
    """What models take from the section ``voltage`` of the configuration.

    ``energy_features`` is the path of the table of an energy model's features, for models that use one.
    """

    architecture: "Architecture"
    schedule: "Schedule"
    energy_features: str | None = None


@dataclass(frozen=True)
class Rival:
    """A model of the benchmark.

    Attributes
    ----------
    label : its name in tables.
    predict : (electrodes, training rows, held-out rows, settings, seed) to voltages of the held-out rows, V.
    features : its tabular input for the audit, one row per electrode; None where the graphs are all it reads.
    uses_energy_model : whether it knows what a universal potential learned, which saw held-out crystals.
    starts_at_random : whether another training gives other voltages, as other initial weights do.
    """

    label: str
    predict: Callable[["Electrodes", np.ndarray, np.ndarray, Settings, int], np.ndarray]
    features: Callable[["Electrodes", Settings], pd.DataFrame | None]
    uses_energy_model: bool = False
    starts_at_random: bool = True


def fit_predict(
    name: str,
    electrodes: "Electrodes",
    training_rows: np.ndarray,
    held_out_rows: np.ndarray,
    settings: Settings,
    seed: int,
) -> np.ndarray:
    """Voltages in V of the held-out rows, by a model that sees the answers of the training rows alone.

    Raises
    ------
    DataError : no model of this name, or one that gives a voltage that is not finite.
    """
    if name not in MODELS:
        raise DataError(f"there is no voltage model {name!r}; known: {', '.join(MODELS)}")
    predictions_V = MODELS[name].predict(
        blinded(electrodes, training_rows), training_rows, held_out_rows, settings, seed
    )
    bad = int((~np.isfinite(predictions_V)).sum())
    if bad or predictions_V.shape != held_out_rows.shape:
        raise DataError(
            f"model {name} gives {bad} of {len(held_out_rows)} held-out voltages that are not finite, or"
            f" another number of them ({predictions_V.size}): it diverged (lower voltage.learning_rate), or"
            " it reads labels that are hidden from it"
        )
    return predictions_V


def _graph_alone(electrodes: "Electrodes", settings: Settings) -> None:
    return None


def _ion_mean(
    electrodes: "Electrodes", training: np.ndarray, held_out: np.ndarray, settings: Settings, seed: int
) -> np.ndarray:
    ions = electrodes.table["working_ion"].to_numpy()
    return ion_mean_predictions_V(electrodes.voltages_V, ions, training, held_out)


def _composition_features(electrodes: "Electrodes", settings: Settings) -> pd.DataFrame:
    from ionsieve.voltage.baselines import composition_features

    return composition_features(electrodes)


def _composition_gbm(
    electrodes: "Electrodes", training: np.ndarray, held_out: np.ndarray, settings: Settings, seed: int
) -> np.ndarray:
    from ionsieve.voltage.baselines import composition_features, gradient_boosting

    features = composition_features(electrodes).to_numpy(dtype=np.float32)
    return gradient_boosting(features, electrodes.voltages_V, training, held_out, seed)


def _cgcnn(
    pooling: Literal["ions", "atoms"],
) -> Callable[["Electrodes", np.ndarray, np.ndarray, Settings, int], np.ndarray]:
    def predict(
        electrodes: "Electrodes", training: np.ndarray, held_out: np.ndarray, settings: Settings, seed: int
    ) -> np.ndarray:
        from ionsieve.voltage.training import train_member

        architecture = replace(settings.architecture, pooling=pooling)
        member = train_member(
            electrodes.graphs, electrodes.voltages_V, training, architecture, settings.schedule, seed
        )
        return member.predict(electrodes.graphs, electrodes.descriptors).voltages_V[held_out]

    return predict


def _descriptors(electrodes: "Electrodes", settings: Settings) -> pd.DataFrame:
    from ionsieve.voltage.descriptors import descriptor_names

    return pd.DataFrame(electrodes.descriptors, columns=list(descriptor_names()))


def _with_energy_model(electrodes: "Electrodes", settings: Settings) -> pd.DataFrame:
    from ionsieve.tables import ENERGY_FEATURES, read_table
    from ionsieve.voltage.energy_features import tabulate

    if settings.energy_features is None:
        raise DataError(
            "this model reads an energy model's features, and no table of them is given;"
            " the rule energy_features makes it"
        )
    features = tabulate(read_table(settings.energy_features, ENERGY_FEATURES), electrodes.table)
    return pd.concat([_descriptors(electrodes, settings), features], axis=1)


def _ionsieve(
    features: Callable[["Electrodes", Settings], pd.DataFrame],
) -> Callable[["Electrodes", np.ndarray, np.ndarray, Settings, int], np.ndarray]:
    def predict(
        electrodes: "Electrodes", training: np.ndarray, held_out: np.ndarray, settings: Settings, seed: int
    ) -> np.ndarray:
        from ionsieve.voltage.training import train_ionsieve

        descriptors = features(electrodes, settings).to_numpy(dtype=np.float32)
        member = train_ionsieve(
            electrodes.graphs,
            electrodes.voltages_V,
            training,
            settings.architecture,
            settings.schedule,
            seed,
            descriptors,
        )
        return member.predict(electrodes.graphs, descriptors).voltages_V[held_out]

    return predict


# In the order of the tables.
MODELS: dict[str, Rival] = {
    "ion_mean": Rival("mean of the ion", _ion_mean, _graph_alone, starts_at_random=False),
    "composition_gbm": Rival(
        "gradient boosting on the composition",
        _composition_gbm,
        _composition_features,
        starts_at_random=False,
    ),
    "cgcnn_all_atoms": Rival("CGCNN, mean over all atoms", _cgcnn("atoms"), _graph_alone),
    "cgcnn": Rival("CGCNN, mean over the working ions (the paper's)", _cgcnn("ions"), _graph_alone),
    "ionsieve": Rival("IonSieve: ions in context and boosted trees", _ionsieve(_descriptors), _descriptors),
    "ionsieve_chgnet": Rival(
        "IonSieve with CHGNet's energies and latent vectors",
        _ionsieve(_with_energy_model),
        _with_energy_model,
        uses_energy_model=True,
    ),
}
