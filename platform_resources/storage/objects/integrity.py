"""Comparing a file with what S3 says of the object: size, checksums, and the ETag where it is made of the bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from platform_resources.storage.objects.checksums import ALGORITHMS, digest_of_file
from platform_resources.storage.objects.facts import Facts

State = Literal["matches", "differs", "unknown"]


@dataclass(frozen=True)
class Check:
    """One comparison; `unknown` where S3 says nothing that the bytes could be held against."""

    name: str
    state: State
    expected: str = ""
    found: str = ""


def compare(
    path: Path, facts: Facts, *, thorough: bool = True, known: Mapping[str, Sequence[str]] | None = None
) -> tuple[Check, ...]:
    """Return the size's check and one a digest; not thorough, it stops at the first digest that can be compared.

    Args:
        path: the file.
        facts: what S3 says.
        thorough: whether every digest is computed, also where one is enough.
        known: digests of the file that were computed while it was received; more than one where either may be meant.
    """
    size = path.stat().st_size
    checks = [_check("size", str(facts.size_bytes), str(size))]
    if size != facts.size_bytes:
        return tuple(checks)
    names = sorted((*facts.checksums, "etag"), key=lambda name: (name not in (known or {}), _cost(name)))
    for name in names:
        checks.append(_digest(path, facts, name, known or {}))
        if not thorough and checks[-1].state != "unknown":
            break
    return tuple(checks)


def whole(checks: tuple[Check, ...]) -> bool:
    """Return whether nothing differs."""
    return all(check.state != "differs" for check in checks)


def proven(checks: tuple[Check, ...]) -> bool:
    """Return whether the bytes, not the size alone, were found to be the same."""
    return whole(checks) and any(check.state == "matches" and check.name != "size" for check in checks)


def _cost(name: str) -> int:
    return (*ALGORITHMS, "etag").index(name)


def _check(name: str, expected: str, actual: str) -> Check:
    return Check(name, "matches" if expected == actual else "differs", expected, actual)


def _digest(path: Path, facts: Facts, name: str, known: Mapping[str, Sequence[str]]) -> Check:
    expected = facts.etag.partition("-")[0].lower() if name == "etag" else facts.checksums[name]
    if name == "etag" and not facts.etag_is_md5:
        why = f"encrypted by {facts.encryption}" if facts.encryption else "S3 made it of something else than the bytes"
        return Check(name, "unknown", expected, why if facts.encryption or facts.part_sizes else f"{why}, or of parts")
    if name != "etag" and facts.composite and not facts.part_sizes:
        return Check(name, "unknown", expected, "the sizes of its parts are not known")
    digests = known.get(name) or _computed(path, facts, name)
    return _check(name, expected, expected if expected in digests else digests[0])


def _computed(path: Path, facts: Facts, name: str) -> list[str]:
    """Return the digest of a file in the form that S3 tells, or in both where S3 does not say which it is."""
    algorithm, parts = "md5" if name == "etag" else name, facts.part_sizes
    composite = bool(parts) if name == "etag" else facts.composite
    forms = [parts, ()] if composite is None else [parts] if composite else [()]
    return [digest_of_file(path, algorithm, part_sizes=form) for form in forms]
