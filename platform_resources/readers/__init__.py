"""Files read alike wherever they come from: what they are, how they are written, and their rows."""

from platform_resources.readers.reading import Batch, Malformed, Reading, ReadOptions, open_records

__all__ = ["Batch", "Malformed", "ReadOptions", "Reading", "open_records"]
