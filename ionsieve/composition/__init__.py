"""Voltages from formulas alone: MHA-ResNet and its rivals, the shipped model, and the audit of leaks."""
