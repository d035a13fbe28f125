"""Iceberg's metadata on S3, encrypted with the KMS key of the settings, which Arrow's own S3 client cannot name.

pyiceberg imports this module by its name, and only where there is such a key.
"""

import io
from typing import Any

import obstore
from obstore.store import S3Store
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO


class _Draft(io.BytesIO):
    """Bytes that are uploaded when it is closed."""

    def __init__(self, store: S3Store, key: str) -> None:
        super().__init__()
        self._store, self._key = store, key

    def close(self) -> None:
        """Returns when the object is there; a second close does nothing."""
        if not self.closed:
            obstore.put(self._store, self._key, self.getvalue())
        super().close()


class _EncryptedFile(PyArrowFile):
    store: S3Store
    key: str

    def create(self, overwrite: bool = False) -> Any:  # noqa: FBT001, FBT002 - pyiceberg's signature
        """Returns a stream whose content is uploaded at its end."""
        if not overwrite and self.exists():
            raise FileExistsError(f"Cannot create file, already exists: {self.location}")
        return _Draft(self.store, self.key)


class EncryptingFileIO(PyArrowFileIO):
    """Reads through Arrow and writes through obstore."""

    def new_output(self, location: str) -> PyArrowFile:
        """Returns a file that is encrypted when it is written."""
        plain = super().new_output(location)
        bucket, _, key = location.removeprefix("s3://").partition("/")
        made = _EncryptedFile(location=location, path=plain._path, fs=plain._filesystem)  # noqa: SLF001 - as PyArrowFileIO does
        made.store, made.key = S3Store(bucket, config=self._options()), key  # type: ignore[arg-type]
        return made

    def _options(self) -> dict[str, str]:
        given = self.properties
        endpoint = given.get("s3.endpoint")
        options = {
            "aws_region": given.get("s3.region"),
            "aws_endpoint_url": endpoint,
            "aws_allow_http": "true" if (endpoint or "").startswith("http://") else None,
            "aws_virtual_hosted_style_request": given.get("s3.force-virtual-addressing"),
            "aws_access_key_id": given.get("s3.access-key-id"),
            "aws_secret_access_key": given.get("s3.secret-access-key"),
            "aws_session_token": given.get("s3.session-token"),
            "aws_server_side_encryption": "aws:kms",
            "aws_sse_kms_key_id": given["s3.sse-kms-key-id"],
        }
        return {name: value for name, value in options.items() if value is not None}
