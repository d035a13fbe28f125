"""A package of datasets with a source of its own kind: the record in `readings.py`, the adapter in `tape.py`."""
