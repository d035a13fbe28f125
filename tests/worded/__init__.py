"""Datasets whose columns are all texts."""
