"""One fold of one protocol: train on the training rows, predict the held-out ones."""

import numpy as np
import pandas as pd

from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.leakage import blinded
from ionsieve.voltage.members import Architecture, Member
from ionsieve.voltage.splits import PROTOCOLS, held_out_rows
from ionsieve.voltage.training import Schedule, train_ionsieve, train_member
from ionsieve.voltage.uncertainty import out_of_fold_rows


def run_fold(
    electrodes: Electrodes,
    model: str,
    protocol: str,
    fold: int,
    n_folds: int,
    architecture: Architecture,
    schedule: Schedule,
    seed: int,
) -> tuple[Member, pd.DataFrame]:
    """Train a fold's member and predict its held-out rows.

    Parameters
    ----------
    model : ``ionsieve`` or ``cgcnn``.
    protocol, fold : see :mod:`ionsieve.voltage.splits`.
    n_folds : framework folds.
    seed : of the split, and with the fold of the weights and the order of the batches.

    Returns
    -------
    The member, and rows of :data:`ionsieve.tables.OUT_OF_FOLD`, without intervals.
    """
    table = electrodes.table
    training, held_out = held_out_rows(
        protocol, fold, table["working_ion"].tolist(), table["framework"].tolist(), n_folds, seed
    )
    train = train_ionsieve if model == "ionsieve" else train_member
    member = train(
        electrodes.graphs,
        blinded(electrodes, training).voltages_V,
        training,
        architecture,
        schedule,
        member_seed(seed, protocol, fold),
        electrodes.descriptors if model == "ionsieve" else None,
    )
    prediction = member.predict(electrodes.graphs, electrodes.descriptors)
    return member, out_of_fold_rows(
        table.iloc[held_out],
        protocol,
        fold,
        prediction.voltages_V[held_out],
        prediction.disagreements_V[held_out],
    )


def member_seed(seed: int, protocol: str, fold: int) -> int:
    """A seed of its own for each fold of each protocol."""
    sequence = np.random.SeedSequence([seed, PROTOCOLS.index(protocol), fold])
    return int(sequence.generate_state(1)[0])
