"""Discharge curves: records of cycling tests, their processing, and DRXNet, which predicts them."""
