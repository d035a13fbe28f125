"""The last tier, asked as little as can be: one request says whether what is known is still so."""

import hashlib
import re
import uuid
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from platform_resources.s3 import bucket_and_key
from platform_resources.settings import S3Settings
from platform_resources.storage.folder import S3Folder
from platform_resources.storage.objects import ObjectStore

if TYPE_CHECKING:
    from obstore.store import S3Store


_MD5 = re.compile(r"[0-9a-f]{32}")
_LEAST_PART_BYTES = 5 << 20
"""Of an upload in parts, all but the last are at least so large; its ETag is not made of the bytes."""


class Remote:
    """S3, by addresses; the clients stay, for a new one costs a connection."""

    def __init__(self, s3: S3Settings) -> None:
        self._s3, self._stores, self._lock = s3, dict[str, "S3Store"](), Lock()

    @property
    def origin(self) -> str:
        """What tells this S3 from another with a bucket of the same name; nothing on AWS, where names are unique."""
        return "\n".join(sorted(endpoint for endpoint in self._s3.endpoints if endpoint))

    def etag(self, uri: str) -> str | None:
        """Return what changes with an object's content, or None where there is no object: one HEAD."""
        store, key = self._at(uri)
        try:
            return store.head(key)["e_tag"]
        except FileNotFoundError:
            return None

    def whole(self, uri: str, size_bytes: int, folder: Path) -> bytes | Path:
        """Return a whole object, or a file in a folder that holds it; its bytes are those that S3 speaks of.

        A small object is compared with its ETag, which is made of its bytes where it came in one piece and nobody
        encrypts it; any other with all that S3 says. Of a part of an object S3 says nothing, so what is read by ranges
        cannot be compared.

        Raises:
            CorruptObject: the bytes are not those that S3 speaks of, however often they are fetched.
        """
        if size_bytes < _LEAST_PART_BYTES and self._s3.kms_key_id is None:
            store, key = self._at(uri)
            answer = store.get(key)
            etag, content = str(answer.meta["e_tag"] or "").strip('"').lower(), bytes(answer.bytes())
            if _MD5.fullmatch(etag) and hashlib.md5(content, usedforsecurity=False).hexdigest() == etag:
                return content
        return self._objects.get(uri, folder / uuid.uuid4().hex).path

    @cached_property
    def _objects(self) -> ObjectStore:
        return ObjectStore(self._s3)

    def after(self, folder: str, name: str) -> Mapping[str, str]:
        """Return the objects of a folder whose names sort after a text, with their ETags: one LIST."""
        store, prefix = self._at(folder)
        entries = (entry for page in store.list(f"{prefix}/", offset=f"{prefix}/{name}") for entry in page)
        return {entry["path"].rpartition("/")[2]: str(entry["e_tag"]) for entry in entries}

    def folder(self, location: str) -> S3Folder:
        """Return a folder that is listed and read by the client that is there."""
        store, _ = self._at(location)
        return S3Folder(location, self._s3, store)

    def _at(self, uri: str) -> tuple["S3Store", str]:
        bucket, key = bucket_and_key(uri)
        with self._lock:
            if bucket not in self._stores:
                self._stores[bucket] = self._s3.obstore(bucket)
            return self._stores[bucket], key
