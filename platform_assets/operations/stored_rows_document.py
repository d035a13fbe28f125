"""The YAML that says which real rows a test takes: `s3_data` names them, `data_management` how they are taken.

s3_data:
bucket: lake
prefix: production
steps: [{name: flights/flights, output_path: flights/flights/v1}]
data_management:
default_source: s3
fallback: ['https://second.example:9000', cache, synthetic]
cache_folder: .platform/test-data
cache_ttl_hours: 24
strict: false
convert: true
quality_threshold: 0.95
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from platform_assets.operations.errors import RequestError, UnknownName
from platform_assets.operations.stored_rows import FALLBACKS, SYNTHETIC, DataManagement, StoredRows
from platform_resources.documents import read_document
from platform_resources.settings import Settings

_DATA = {"bucket": str, "prefix": str, "steps": list}
_MANAGEMENT = {"default_source": str, "fallback": list, "cache_folder": str, "cache_ttl_hours": (int, float),
               "strict": bool, "convert": bool, "quality_threshold": (int, float)}  # fmt: skip


def read_test_data(path: Path, settings: Settings) -> StoredRows | None:
    """Read the document; None where it says that a test takes generated rows.

    Raises:
        RequestError: A word is unknown or its value is of another type.
        UnreadableDocument: There is no such file, or it is no YAML.
    """
    document = read_document(path)
    if not isinstance(document, Mapping):
        raise RequestError(f"{path}: is no mapping. Fix: write s3_data: and data_management:.")
    _refuse_unknown(path, "", document, {"s3_data", "data_management"})
    data, words = document.get("s3_data") or {}, document.get("data_management") or {}
    _refuse_wrong(path, "s3_data", data, _DATA)
    _refuse_wrong(path, "data_management", words, _MANAGEMENT)
    if words.get("default_source", "s3") == SYNTHETIC:
        return None
    if "bucket" not in data:
        raise RequestError(f"{path}: s3_data.bucket is missing. Fix: name the bucket, or default_source: synthetic.")
    prefix = data.get("prefix", "").strip("/")
    place = f"s3://{data['bucket']}/{prefix}".rstrip("/")
    paths = {}
    for step in data.get("steps", []):
        _refuse_wrong(path, "s3_data.steps", step, {"name": str, "output_path": str})
        if len(step) != len({"name", "output_path"}):
            raise RequestError(f"{path}: a step of s3_data has {dict(step)}. Fix: give it name and output_path.")
        paths[step["name"]] = step["output_path"]
    return StoredRows([place], settings, paths=paths, management=_management(path, words))


def _management(path: Path, words: Mapping[str, Any]) -> DataManagement:
    fallback = tuple(str(word) for word in words.get("fallback", (SYNTHETIC,)))
    refuse_unknown_fallbacks(fallback)
    threshold = float(words.get("quality_threshold", 0.0))
    if not 0 <= threshold <= 1:
        raise RequestError(f"{path}: data_management.quality_threshold is {threshold}. Fix: give a share, 0 to 1.")
    return DataManagement(
        fallback=fallback,
        cache=Path(words["cache_folder"]) if "cache_folder" in words else None,
        cache_ttl=timedelta(hours=float(words.get("cache_ttl_hours", 24))),
        strict=words.get("strict", False),
        convert=words.get("convert", True),
        quality_threshold=threshold,
    )


def refuse_unknown_fallbacks(fallback: Collection[str]) -> None:
    """Raise RequestError for what is neither a word nor the address of an S3 endpoint."""
    for word in fallback:
        if word not in FALLBACKS and not word.startswith(("http://", "https://")):
            raise RequestError(
                f"fallback {word!r}: is not known. Fix: use {', '.join(FALLBACKS)} or the address of an S3 endpoint."
            )


def _refuse_wrong(path: Path, where: str, words: object, types: Mapping[str, Any]) -> None:
    if not isinstance(words, Mapping):
        raise RequestError(f"{path}: {where} is no mapping. Fix: give it {', '.join(types)}.")
    _refuse_unknown(path, f"{where}.", words, types.keys())
    for name, value in words.items():
        if not isinstance(value, types[name]) or (isinstance(value, bool) and types[name] is not bool):
            raise RequestError(f"{path}: {where}.{name} is {value!r}. Fix: see docs/test-data.md for its type.")


def _refuse_unknown(path: Path, where: str, words: Mapping[str, Any], known: Collection[str]) -> None:
    for name in words:
        if name not in known:
            raise UnknownName(
                "word", f"{where}{name}", [f"{where}{known_name}" for known_name in known], where=f"{path}: "
            )
