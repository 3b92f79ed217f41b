"""Crystals on their way in: the shipped demo set and the user's files."""
