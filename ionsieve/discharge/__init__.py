"""Discharge curves from composition, rate, voltage window and cycle: cycler data, DRXNet, its evaluation."""
