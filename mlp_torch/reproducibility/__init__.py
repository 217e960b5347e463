"""Reproducibility (ch. 6): the same rows, features and splits, for ever."""
