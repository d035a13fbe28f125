"""Iceberg's metadata as it is read: an Avro file that was cut off is refused before pyiceberg decodes it.

pyiceberg 0.12 reads beyond the end of such a file, or takes it for one with fewer entries: rows would be missing in
silence. pyiceberg imports this module by its name.
"""

import io
from typing import Any

from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from platform_resources.vendor.avro_files import is_whole


class _Manifest(PyArrowFile):
    def open(self, seekable: bool = True) -> Any:  # noqa: FBT001, FBT002 - pyiceberg's signature
        """Return the content; raises EOFError where the file was cut off."""
        with super().open(seekable) as stream:
            content = stream.read()
        if not is_whole(content):
            raise EOFError(f"{self.location} is cut off")
        return io.BytesIO(content)


class WholeFileIO(PyArrowFileIO):
    """Arrow's, but for manifests and lists of them."""

    def new_input(self, location: str) -> PyArrowFile:
        """Return a file to read; an Avro file is looked at when it is opened."""
        plain = super().new_input(location)
        if not location.endswith(".avro"):
            return plain
        return _Manifest(location=location, path=plain._path, fs=plain._filesystem)  # noqa: SLF001 - as PyArrowFileIO does
