"""Iceberg's metadata on S3: written through obstore, a file with one request.

Arrow's own S3 client uploads even the smallest file in three requests, which not every server takes each time,
and cannot name a KMS key. pyiceberg imports this module by its name.
"""

import io
from datetime import timedelta
from typing import Any

import obstore
from obstore.store import S3Store
from pyiceberg.io.pyarrow import PyArrowFile

from platform_resources.s3 import bucket_and_key
from platform_resources.vendor.pyiceberg_files import WholeFileIO

ATTEMPTS, TIMEOUT = "platform.s3-attempts", "platform.s3-timeout"
"""The properties that hand the settings on; the others are pyiceberg's own."""


class _Draft(io.BytesIO):
    """Bytes that are uploaded when it is closed; not where the writing of them failed."""

    def __init__(self, store: S3Store, key: str) -> None:
        super().__init__()
        self._store, self._key = store, key

    def close(self) -> None:
        """Finish the object; a second close does nothing."""
        if not self.closed:
            content = self.getvalue()
            super().close()
            obstore.put(self._store, self._key, content)


class _S3File(PyArrowFile):
    store: S3Store
    key: str

    def create(self, overwrite: bool = False) -> Any:  # noqa: FBT001, FBT002 - pyiceberg's signature
        """Return a stream whose content is uploaded at its end."""
        if not overwrite and self.exists():
            raise FileExistsError(f"Cannot create file, already exists: {self.location}")
        return _Draft(self.store, self.key)


class S3FileIO(WholeFileIO):
    """Reads through Arrow and writes through obstore."""

    def new_output(self, location: str) -> PyArrowFile:
        """Return a file that is uploaded, and encrypted where there is a key, when it is written."""
        plain = super().new_output(location)
        bucket, key = bucket_and_key(location)
        made = _S3File(location=location, path=plain._path, fs=plain._filesystem)  # noqa: SLF001 - as PyArrowFileIO does
        made.store, made.key = self._store(bucket), key
        return made

    def _store(self, bucket: str) -> S3Store:
        seconds = float(self.properties[TIMEOUT])
        return S3Store(
            bucket,
            config=self._options(),  # type: ignore[arg-type]  # a dict of names is accepted
            client_options={"timeout": timedelta(seconds=seconds)},
            retry_config={
                "max_retries": int(self.properties[ATTEMPTS]) - 1,
                "retry_timeout": timedelta(seconds=3 * seconds),
            },
        )

    def _options(self) -> dict[str, str]:
        commit_properties = self.properties
        endpoint, encrypted = commit_properties.get("s3.endpoint"), commit_properties.get("s3.sse-kms-key-id")
        options = {
            "aws_region": commit_properties.get("s3.region"),
            "aws_endpoint_url": endpoint,
            "aws_allow_http": "true" if (endpoint or "").startswith("http://") else None,
            "aws_virtual_hosted_style_request": commit_properties.get("s3.force-virtual-addressing"),
            "aws_access_key_id": commit_properties.get("s3.access-key-id"),
            "aws_secret_access_key": commit_properties.get("s3.secret-access-key"),
            "aws_session_token": commit_properties.get("s3.session-token"),
            "aws_server_side_encryption": "aws:kms" if encrypted else None,
            "aws_sse_kms_key_id": encrypted,
        }
        return {name: value for name, value in options.items() if value is not None}
