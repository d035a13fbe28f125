"""What S3 says of an object: asked once, kept beside the file, compared with what is on disk."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from platform_resources.storage.objects.address import SIDECAR, Address
from platform_resources.storage.objects.checksums import ALGORITHMS

_MULTIPART = re.compile(r'^"?[0-9a-fA-F]{32}-(\d+)"?$')
_MD5 = re.compile(r"^[0-9a-fA-F]{32}$")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """S3's metadata of one version of an object.

    Attributes:
        etag: without quotes.
        version: the VersionId; None in a bucket without versions.
        modified: in UTC.
        checksums: hexadecimal digests by algorithm.
        composite: whether the checksums are those of the parts' checksums, rather than of the bytes; None where a
            server does not tell, so that either will do.
        part_sizes: bytes of each part of a multipart upload, in order; empty for one put at once.
        encryption: how S3 keeps it, such as `aws:kms`.
        metadata: what the uploader wrote beside it.
    """

    bucket: str
    key: str
    size_bytes: int
    etag: str
    modified: datetime
    version: str | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    composite: bool | None = False
    part_sizes: tuple[int, ...] = ()
    encryption: str | None = None
    kms_key_id: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    storage_class: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> Address:
        """Where it lies."""
        return Address(self.bucket, self.key)

    @property
    def etag_is_md5(self) -> bool:
        """Whether the ETag can be computed from the bytes: not where a KMS or customer key encrypts them."""
        plain = self.encryption in (None, "AES256")
        return plain and bool(_MD5.match(self.etag) or (self.part_sizes and _MULTIPART.match(self.etag)))

    def same_object(self, other: "Facts") -> bool:
        """Whether the bytes of both are the same by S3's own word."""
        mine, theirs = (self.etag, self.size_bytes, self.version), (other.etag, other.size_bytes, other.version)
        return self.address == other.address and mine == theirs


def parts_of(etag: str) -> int:
    """Return how many parts an ETag says there are; 0 where the object was put at once."""
    parts = _MULTIPART.match(etag)
    return int(parts.group(1)) if parts else 0


def facts_of(address: Address, head: Mapping[str, Any], part_sizes: tuple[int, ...] = ()) -> Facts:
    """Return the facts in an answer to HEAD."""
    texts = {name: head.get(f"Checksum{name.upper()}") for name in ALGORITHMS}
    version = head.get("VersionId")
    encryption = head.get("ServerSideEncryption") or ("customer" if head.get("SSECustomerAlgorithm") else None)
    return Facts(
        bucket=address.bucket,
        key=address.key,
        size_bytes=int(head["ContentLength"]),
        etag=str(head["ETag"]).strip('"'),
        modified=head["LastModified"].astimezone(UTC),
        version=None if version == "null" else version,
        checksums={name: found for name, text in texts.items() if text and (found := _hex(text))},
        composite=_composite(head.get("ChecksumType"), [text for text in texts.values() if text], part_sizes),
        part_sizes=part_sizes,
        encryption=encryption,
        kms_key_id=head.get("SSEKMSKeyId"),
        content_type=head.get("ContentType"),
        content_encoding=head.get("ContentEncoding"),
        storage_class=head.get("StorageClass"),
        metadata=dict(head.get("Metadata") or {}),
    )


def sidecar_of(path: Path) -> Path:
    """Return where the facts of a file are kept."""
    return path.with_name(path.name + SIDECAR)


def write_sidecar(path: Path, facts: Facts, **more: Any) -> None:
    """Write the facts beside a file, all or nothing, together with what is known of the file itself."""
    document = {"object": {**asdict(facts), "part_sizes": _runs(facts.part_sizes)}, **more}
    draft = sidecar_of(path).with_name(f"{path.name}{SIDECAR}.tmp")
    draft.write_text(json.dumps(document, indent=2, default=_text, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(sidecar_of(path))


def read_sidecar(path: Path) -> tuple[Facts, dict[str, Any]] | None:
    """Return the facts beside a file and what else was kept, or None where there are none that can be read."""
    try:
        document = json.loads(sidecar_of(path).read_text(encoding="utf-8"))
        fields = dict(document.pop("object"))
        fields |= {"modified": datetime.fromisoformat(fields["modified"]), "part_sizes": _sizes(fields["part_sizes"])}
        return Facts(**fields), document
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _composite(kind: str | None, texts: list[str], part_sizes: tuple[int, ...]) -> bool | None:
    if kind is not None:
        return kind == "COMPOSITE"
    return any("-" in text for text in texts) or (None if part_sizes else False)


def _runs(sizes: Iterable[int]) -> list[list[int]]:
    """Return sizes as pairs of a size and how often it follows: ten thousand parts are a line or two."""
    return [[size, len(list(group))] for size, group in groupby(sizes)]


def _sizes(runs: Iterable[list[int]]) -> tuple[int, ...]:
    return tuple(size for size, count in runs for _ in range(count))


def _hex(text: str) -> str | None:
    """Return a digest as S3 writes it, without the number of parts behind it."""
    try:
        return base64.b64decode(text.partition("-")[0], validate=True).hex()
    except binascii.Error:
        return None


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
