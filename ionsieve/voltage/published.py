"""Errors of voltage models by ion as the literature states them, to stand beside what is measured here.

Of random splits, in which hosts of the test set are met in training with another ion: to be compared with the
``paper`` protocol, not with new frameworks.
"""

# "AI-driven accelerated discovery of intercalation-type cathode materials for magnesium batteries" (2024): a
# CGCNN on 4,045 discharged structures of the Battery Explorer; MAE in V.
MG_WORKFLOW_MAE_V = {"Li": 0.32, "Mg": 0.29, "Na": 0.32, "Al": 0.33, "K": 0.30, "Ca": 0.29, "Zn": 0.25}
