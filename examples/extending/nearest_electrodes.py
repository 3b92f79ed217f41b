"""A voltage model: the mean of the electrodes whose descriptors are nearest."""

import numpy as np
import pandas as pd

from ionsieve.voltage.descriptors import descriptor_names
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.rivals import Rival, Settings


def descriptors(electrodes: Electrodes, settings: Settings) -> pd.DataFrame:
    """What the model reads, for the audit of leaks: one row per electrode."""
    return pd.DataFrame(electrodes.descriptors, columns=list(descriptor_names()))


def predict(
    electrodes: Electrodes, training: np.ndarray, held_out: np.ndarray, settings: Settings, seed: int
) -> np.ndarray:
    """Voltages in V of the held-out rows; labels of all but the training rows are NaN here."""
    from sklearn.impute import SimpleImputer
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values = descriptors(electrodes, settings).to_numpy(dtype=float)
    neighbours = KNeighborsRegressor(n_neighbors=5, weights="distance")
    model = make_pipeline(SimpleImputer(), StandardScaler(), neighbours)
    model.fit(values[training], electrodes.voltages_V[training])
    return model.predict(values[held_out])


NEAREST_ELECTRODES = Rival("five nearest electrodes", predict, descriptors, starts_at_random=False)
