"""The voltage stage: crystal graphs, the ion-pooled CGCNN, honest splits, calibrated intervals."""
