"""Iceberg's metadata on S3 as it is read: compared with the size and ETag that S3 names, and asked for again.

Arrow's own client compares nothing where an object was put without a checksum, and pyiceberg decodes what it is given:
a wrong bit was an error in its words, or other statistics. pyiceberg imports this module by its name.
"""

import io
from typing import Any

from obstore.store import S3Store
from pyiceberg.io.pyarrow import PyArrowFile

from platform_resources.s3 import bucket_and_key
from platform_resources.storage.folder import read_whole
from platform_resources.vendor.avro_files import is_whole
from platform_resources.vendor.pyiceberg_s3 import ATTEMPTS, S3FileIO


class _Metadata(PyArrowFile):
    store: S3Store
    key: str
    attempts: int

    def open(self, seekable: bool = True) -> Any:  # noqa: ARG002, FBT001, FBT002 - pyiceberg's signature
        """Return the content; raises EOFError where an Avro file was written short."""
        content = read_whole(self.store, self.key, self.attempts)
        if self.key.endswith(".avro") and not is_whole(content):
            raise EOFError(f"{self.location} is cut off")
        return io.BytesIO(content)


class ComparedFileIO(S3FileIO):
    """Reads and writes through obstore; what is read is compared."""

    def new_input(self, location: str) -> PyArrowFile:
        """Return a file to read, whole."""
        plain = super().new_input(location)
        bucket, key = bucket_and_key(location)
        metadata = _Metadata(location=location, path=plain._path, fs=plain._filesystem)  # noqa: SLF001 - as PyArrowFileIO does
        metadata.store, metadata.key, metadata.attempts = self._store(bucket), key, int(self.properties[ATTEMPTS])
        return metadata

    def _store(self, bucket: str) -> S3Store:
        """Return a client, one a bucket: another would cost a connection."""
        stores: dict[str, S3Store] = self.__dict__.setdefault("_stores", {})
        if bucket not in stores:
            stores[bucket] = super()._store(bucket)
        return stores[bucket]
