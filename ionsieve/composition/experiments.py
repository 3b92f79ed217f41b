"""The experiments on composition models, by name: which columns, which model, how much training data.

One table of rivals, the same with what a crystal tells, the paper's network with and without the leak, the
audit's blocks one by one, and training sets of several sizes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ionsieve.composition.blocks import BLOCKS, PUBLISHED, Electrodes, columns_of
from ionsieve.errors import DataError
from ionsieve.voltage.leakage import blinded_table
from ionsieve.voltage.metrics import ion_mean_predictions_V
from ionsieve.voltage.splits import CHEMICAL_SYSTEM, FRAMEWORK

if TYPE_CHECKING:
    from ionsieve.composition.mha_training import MHASchedule

# A tenth held out at random, the paper's share; and the two of the voltage model that keep groups whole.
RANDOM = "random"
PROTOCOLS = (RANDOM, FRAMEWORK, CHEMICAL_SYSTEM)
FORMULAS = ("charged_formula", "discharged_formula", "working_ion")
# Of the descriptors alone: one-hot formulas say the same in another way.
IONSIEVE = ("descriptors",)
CRYSTAL = (*IONSIEVE, "discharged_system", "discharged_space_group")
SPACE_GROUPS = ("charged_space_group", "discharged_space_group")


@dataclass(frozen=True)
class Task:
    """What an experiment hands to its model: columns and targets (NaN where hidden) of S rows, two sets.

    Of the held-out rows the electrodes' tables hold no answer either; columns do, where a leak is measured.
    """

    electrodes: Electrodes
    columns: pd.DataFrame
    targets: np.ndarray
    training_rows: np.ndarray
    held_out_rows: np.ndarray
    seed: int


Model = Callable[[Task], np.ndarray]


@dataclass(frozen=True)
class Experiment:
    """A model on some blocks of columns.

    Attributes
    ----------
    label : its name in tables.
    model : predicts the held-out rows of a task.
    blocks : names in :data:`ionsieve.composition.blocks.BLOCKS`.
    part : the table that it belongs to.
    most_per_volt : training rows kept per interval of 1 V; None: all.
    most_folds : of each protocol, for trainings that take long; None: all.
    protocols : the splits that it is run on.
    """

    label: str
    model: Model
    blocks: tuple[str, ...]
    part: Literal["rivals", "crystal", "leak", "size"]
    most_per_volt: int | None = None
    most_folds: int | None = None
    protocols: tuple[str, ...] = PROTOCOLS

    @property
    def is_audited(self) -> bool:
        """Whether its columns must be free of the answer."""
        return not any(BLOCKS[name].answer for name in self.blocks)


def training_rows_per_volt(
    voltages_V: np.ndarray, training_rows: np.ndarray, most: int, seed: int
) -> np.ndarray:
    """Of the training rows, at most so many in each interval of 1 V, drawn at random; ascending."""
    shuffled = np.random.default_rng(seed).permutation(training_rows)
    intervals = np.floor(voltages_V[shuffled]).astype(int)
    place = pd.Series(intervals).groupby(intervals).cumcount().to_numpy()
    return np.sort(shuffled[place < most])


def _ion_mean(task: Task) -> np.ndarray:
    ions = task.electrodes.pairs.working_ions
    return ion_mean_predictions_V(task.targets, ions, task.training_rows, task.held_out_rows)


def _classical(name: str, grouped: bool) -> Model:
    def predict(task: Task) -> np.ndarray:
        from ionsieve.composition import classical

        arguments = (
            task.columns.to_numpy(dtype=float),
            task.targets,
            task.training_rows,
            task.held_out_rows,
            task.seed,
        )
        groups = {"groups": task.electrodes.table["framework"].to_numpy()} if grouped else {}
        return getattr(classical, name)(*arguments, **groups)

    return predict


def _dense(task: Task) -> np.ndarray:
    from ionsieve.composition.dense import predict

    inputs = task.columns.to_numpy(dtype=float)
    return predict(inputs, task.targets, task.training_rows, task.held_out_rows, task.seed)


def _recurrent(task: Task) -> np.ndarray:
    from ionsieve.composition.recurrent import predict

    return predict(task.electrodes.pairs, task.targets, task.training_rows, task.held_out_rows, task.seed)


def _boosted_trees(task: Task) -> np.ndarray:
    from ionsieve.voltage.boosting import train_trees

    inputs = task.columns.to_numpy(dtype=np.float32)
    trees = train_trees(inputs[task.training_rows], task.targets[task.training_rows], task.seed)
    return trees.predict_V(inputs[task.held_out_rows])


def _element_graph(task: Task) -> np.ndarray:
    from ionsieve.composition.element_graph import SCHEDULE, train

    pairs = task.electrodes.pairs
    trained = train(pairs, task.targets, task.training_rows, SCHEDULE, task.seed)
    return trained.predict_V(pairs[task.held_out_rows])


def _mha_resnet(
    attention: Literal["published", "positions"],
    schedule_name: Literal["PUBLISHED", "SOUND", "SETTLED"],
    preparation: Literal["published", "corrected"],
    space_groups: tuple[str, ...] = (),
) -> Model:
    def predict(task: Task) -> np.ndarray:
        from ionsieve.composition import mha_training
        from ionsieve.composition.published_inputs import Preparation

        prepared = Preparation.fit(task.columns, task.training_rows, preparation).transform(task.columns)
        schedule: MHASchedule = getattr(mha_training, schedule_name)
        groups = _space_groups(task.electrodes, space_groups)
        trained = mha_training.train(
            prepared, groups, task.targets, task.training_rows, attention, schedule, task.seed
        )
        held_out = task.held_out_rows
        return trained.predict_V(prepared[held_out], groups[held_out])

    return predict


def _space_groups(electrodes: Electrodes, names: tuple[str, ...]) -> np.ndarray:
    """Numbers of space groups, 0 where not known, shape (S, G)."""
    if not names:
        return np.zeros((len(electrodes.pairs), 0), dtype=np.int64)
    return columns_of(electrodes, names).fillna(0).to_numpy(dtype=np.int64)


_PUBLISHED_FREE = tuple(name for name in PUBLISHED if not BLOCKS[name].answer)
# What an audit needs: how it looks, and how it is on new hosts.
_TWO = (RANDOM, FRAMEWORK)
_SHIPPED = Experiment("IonSieve: boosted trees, descriptors", _boosted_trees, IONSIEVE, "rivals")
_AS_MEANT = Experiment(
    "MHA-ResNet as meant: attention over positions, standardised columns, one cycle of 20 epochs"
    " (two splits of each)",
    _mha_resnet("positions", "SOUND", "corrected"),
    FORMULAS,
    "rivals",
    most_folds=2,
    protocols=_TWO,
)
SIZES = (200, 150, 100, 50)

# In the order of the tables.
EXPERIMENTS: Mapping[str, Experiment] = {
    "ion_mean": Experiment("mean of the ion", _ion_mean, (), "rivals"),
    "svr": Experiment("support vectors (SVM)", _classical("support_vectors", True), FORMULAS, "rivals"),
    "krr": Experiment("kernel ridge (KRR)", _classical("kernel_ridge", True), FORMULAS, "rivals"),
    "mlp1": Experiment(
        "perceptron, 1 layer (MLP1)", _classical("perceptron_of_one_layer", False), FORMULAS, "rivals"
    ),
    "mlp2": Experiment(
        "perceptron, 2 layers (MLP2)", _classical("perceptron_of_two_layers", False), FORMULAS, "rivals"
    ),
    "dnn": Experiment("dense network (DNN)", _dense, FORMULAS, "rivals"),
    "lstm": Experiment("LSTM over elements", _recurrent, FORMULAS, "rivals"),
    "mha_resnet": _AS_MEANT,
    "mha_resnet_published": Experiment(
        "the same with attention as published, over one position (one split of each)",
        _mha_resnet("published", "SOUND", "corrected"),
        FORMULAS,
        "rivals",
        most_folds=1,
        protocols=_TWO,
    ),
    "boosting_formulas": Experiment("boosted trees, one-hot formulas", _boosted_trees, FORMULAS, "rivals"),
    "element_graph": Experiment("element graph (after Roost)", _element_graph, FORMULAS, "rivals"),
    "ionsieve": _SHIPPED,
    "ionsieve_crystal": Experiment(
        "IonSieve: boosted trees, descriptors, space group and system (discharged)",
        _boosted_trees,
        CRYSTAL,
        "crystal",
    ),
    "mha_resnet_crystal": Experiment(
        "MHA-ResNet as meant, crystal systems, space groups embedded (one split of each)",
        _mha_resnet("positions", "SOUND", "corrected", SPACE_GROUPS),
        (*FORMULAS, "charged_system", "discharged_system"),
        "crystal",
        most_folds=1,
        protocols=_TWO,
    ),
    "mha_resnet_leak": Experiment(
        "MHA-ResNet as published, with the gravimetric energy: PCA of unscaled columns, 1000 epochs of Adam",
        _mha_resnet("published", "PUBLISHED", "published", SPACE_GROUPS),
        PUBLISHED,
        "leak",
        most_folds=1,
        protocols=(RANDOM,),
    ),
    "mha_resnet_leak_settled": Experiment(
        "the same network and inputs, 200 epochs with a learning rate that ends at zero",
        _mha_resnet("published", "SETTLED", "published", SPACE_GROUPS),
        PUBLISHED,
        "leak",
        most_folds=1,
        protocols=(RANDOM,),
    ),
    "mha_resnet_without_leak": Experiment(
        "that without the gravimetric energy",
        _mha_resnet("published", "SETTLED", "published", SPACE_GROUPS),
        _PUBLISHED_FREE,
        "leak",
        most_folds=1,
        protocols=_TWO,
    ),
    **{
        f"with_{name}": Experiment(
            f"+ {block.title}", _boosted_trees, (*IONSIEVE, name), "leak", protocols=_TWO
        )
        for name, block in BLOCKS.items()
        if name != "descriptors"
    },
    **{
        f"ionsieve_{size}": replace(_SHIPPED, part="size", most_per_volt=size, protocols=_TWO)
        for size in SIZES
    },
    **{
        f"mha_resnet_{size}": replace(_AS_MEANT, part="size", most_per_volt=size, most_folds=1)
        for size in SIZES
    },
}
# What the leakage audit compares: each block beside the descriptors alone, and the paper's network.
AUDIT_BASE = "ionsieve"
AUDITED = (AUDIT_BASE, *(name for name, experiment in EXPERIMENTS.items() if experiment.part == "leak"))


def predict(name: str, task: Task) -> np.ndarray:
    """The held-out rows' targets by an experiment, from the training rows' alone.

    Raises
    ------
    DataError : no such experiment, or one that gives numbers that are not finite.
    """
    if name not in EXPERIMENTS:
        raise DataError(f"there is no experiment {name!r}; known: {', '.join(EXPERIMENTS)}")
    experiment = EXPERIMENTS[name]
    hidden = np.full(len(task.targets), np.nan)
    hidden[task.training_rows] = task.targets[task.training_rows]
    rows = task.training_rows
    if experiment.most_per_volt is not None:
        rows = training_rows_per_volt(hidden, rows, experiment.most_per_volt, task.seed)
    electrodes = replace(
        task.electrodes,
        table=blinded_table(task.electrodes.table, task.training_rows),
        calculated=blinded_table(task.electrodes.calculated, task.training_rows),
    )
    predicted = experiment.model(replace(task, electrodes=electrodes, targets=hidden, training_rows=rows))
    bad = int((~np.isfinite(predicted)).sum())
    if bad or predicted.shape != task.held_out_rows.shape:
        raise DataError(
            f"experiment {name} gives {bad} of {len(task.held_out_rows)} held-out values that are not finite,"
            " or another number of them: it diverged, or it reads values that are hidden from it"
        )
    return predicted
