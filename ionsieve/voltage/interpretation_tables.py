"""Columns of the tables that show what a network has learned; see :mod:`ionsieve.voltage.interpretation`."""

import pyarrow as pa

# One row per element seen in training.
LEARNED_ELEMENTS = pa.schema(
    [
        pa.field("element", pa.string(), nullable=False),
        pa.field("element_class", pa.string(), nullable=False),
        pa.field("n_electrodes", pa.int64(), nullable=False),  # training electrodes that hold it
        pa.field("component_1", pa.float64(), nullable=False),  # principal components of its vector
        pa.field("component_2", pa.float64(), nullable=False),
    ]
)

# One row per sampled atom.
LOCAL_ENVIRONMENTS = pa.schema(
    [
        pa.field("electrode_id", pa.string(), nullable=False),
        pa.field("framework", pa.string(), nullable=False),
        pa.field("element", pa.string(), nullable=False),
        pa.field("element_class", pa.string(), nullable=False),
        pa.field("is_working_ion", pa.bool_(), nullable=False),
        pa.field("tsne_1", pa.float64(), nullable=False),  # t-SNE of its vector after the convolutions
        pa.field("tsne_2", pa.float64(), nullable=False),
    ]
)
