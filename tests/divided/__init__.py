"""Datasets that are divided by category, by pairs, in a zone and by longer times."""
