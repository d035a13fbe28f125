"""Datasets that a database fills."""
