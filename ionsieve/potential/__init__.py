"""The machine-learned potential that drives MD: frames, training, errors, calculator."""
