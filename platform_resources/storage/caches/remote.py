"""The last tier, asked as little as can be: one request says whether what is known is still so."""

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

from platform_resources.s3 import bucket_and_key
from platform_resources.settings import S3Settings
from platform_resources.storage.folder import S3Folder

if TYPE_CHECKING:
    from obstore.store import S3Store


class Remote:
    """S3, by addresses; the clients stay, for a new one costs a connection."""

    def __init__(self, s3: S3Settings) -> None:
        self._s3, self._stores, self._lock = s3, dict[str, "S3Store"](), Lock()

    @property
    def origin(self) -> str:
        """What tells this S3 from another with a bucket of the same name; nothing on AWS, where names are unique."""
        return "\n".join(sorted(each for each in self._s3.endpoints if each))

    def etag(self, uri: str) -> str | None:
        """Returns what changes with an object's content, or None where there is no object: one HEAD."""
        store, key = self._at(uri)
        try:
            return store.head(key)["e_tag"]
        except FileNotFoundError:
            return None

    def after(self, folder: str, name: str) -> Mapping[str, str]:
        """Returns the objects of a folder whose names sort after a text, with their ETags: one LIST."""
        store, prefix = self._at(folder)
        found = (each for page in store.list(f"{prefix}/", offset=f"{prefix}/{name}") for each in page)
        return {each["path"].rpartition("/")[2]: str(each["e_tag"]) for each in found}

    def folder(self, location: str) -> S3Folder:
        """Returns a folder that is listed and read by the client that is there."""
        store, _ = self._at(location)
        return S3Folder(location, self._s3, store)

    def _at(self, uri: str) -> tuple["S3Store", str]:
        bucket, key = bucket_and_key(uri)
        with self._lock:
            if bucket not in self._stores:
                self._stores[bucket] = self._s3.obstore(bucket)
            return self._stores[bucket], key
