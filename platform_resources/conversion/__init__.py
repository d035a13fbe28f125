"""Files from one format to another: whatever they are, in bounded memory, verified; and frames to NumPy and back."""

from platform_resources.conversion.arrays import from_numpy, to_numpy
from platform_resources.conversion.blocks import VERIFY, Verify
from platform_resources.conversion.conversion import convert
from platform_resources.conversion.fingerprint import Fingerprint, fingerprint, fingerprint_of
from platform_resources.conversion.options import Conversion, Options
from platform_resources.conversion.writing import Progress
from platform_resources.readers.rows import Conform

__all__ = [
    "VERIFY",
    "Conform",
    "Conversion",
    "Fingerprint",
    "Options",
    "Progress",
    "Verify",
    "convert",
    "fingerprint",
    "fingerprint_of",
    "from_numpy",
    "to_numpy",
]
