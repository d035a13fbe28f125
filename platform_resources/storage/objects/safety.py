"""What the doctor found, remembered in the bucket itself, and asked for before a table is created there.

All writers of a lake share its bucket, not a disk, so the verdict lies beside the tables. Only the creation of a table
asks, with one GET; a write to a table that is there pays nothing.
"""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from platform_resources.errors import ObjectForbidden, ObjectNotFound, UnsafeBucket
from platform_resources.s3 import S3Settings
from platform_resources.storage.objects.address import Address
from platform_resources.storage.objects.attempts import Attempts
from platform_resources.storage.objects.doctor import Diagnosis, Probe

VERDICT = "_platform/doctor.json"


def remember(attempts: Attempts, place: Address, diagnosis: Diagnosis) -> Address:
    """Return where the verdict on a place lies, once it is written; it takes an earlier one's place."""
    document = {**asdict(diagnosis), "commits_are_safe": diagnosis.commits_are_safe}
    content = json.dumps(document, indent=2, default=str).encode()
    where = _verdict_of(place)
    more: dict[str, Any] = attempts.settings.upload_arguments()
    attempts(lambda client: client.put_object(Bucket=where.bucket, Key=where.key, Body=content, **more), where)
    return where


def remembered(attempts: Attempts, place: Address) -> Diagnosis | None:
    """Return the last verdict on a place, or None where no doctor was there, or none whose word can be read."""
    where = _verdict_of(place)
    try:
        content = attempts(lambda client: client.get_object(Bucket=where.bucket, Key=where.key)["Body"].read(), where)
        document = json.loads(content)
        probes = tuple(Probe(**probe) for probe in document["probes"])
        at = datetime.fromisoformat(document["at"])
        return Diagnosis(address=document["address"], endpoint=document["endpoint"], at=at, probes=probes)
    except (ObjectNotFound, ObjectForbidden, ValueError, KeyError, TypeError):
        return None


def refuse_unsafe(table: str, lake: str, settings: S3Settings) -> None:
    """Refuse to create a table where the doctor found that commits are not safe.

    Args:
        table: the table's path, for the message.
        lake: s3:// address of the lake, beside whose tables the verdict lies.
        settings: how S3 is reached.

    Raises:
        UnsafeBucket: The doctor found that commits get lost.
    """
    diagnosis = remembered(Attempts(settings), Address.parse(lake))
    if diagnosis is None or diagnosis.commits_are_safe is not False:
        return
    failed = ", ".join(f"{probe.name}: {probe.told}" for probe in diagnosis.probes if probe.passed is False)
    raise UnsafeBucket(
        lake,
        f"table {table} is not created: two writers could both be told that their commit won ({failed}, "
        f"found {diagnosis.at:%Y-%m-%d %H:%M} UTC)",
        fix=f"use a server that keeps If-None-Match, then run platform objects doctor {lake} again",
    )


def _verdict_of(place: Address) -> Address:
    prefix = place.key.strip("/")
    return Address(place.bucket, f"{prefix}/{VERDICT}" if prefix else VERDICT)
