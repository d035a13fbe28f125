"""OpenSearch and Elasticsearch by `_bulk`: a document a row, versioned from outside, so that an older one is refused.

The server compares versions, so that the same changes, or older ones of a process that was cut off, change nothing.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from platform_resources.sinks.base import Changes, Sink, SinkContext
from platform_resources.sinks.errors import SinkRefused, SinkUnreachable
from platform_resources.sinks.http import Endpoint

_BYTES_AT_ONCE = 4 * 1024**2
_NEWER_IS_THERE, _MISSING = 409, 404
_BUSY = {429, 503}


class SearchSink(Sink):
    """Documents of one dataset in an index."""

    def __init__(self, url: str, index: str, *, context: SinkContext, name: str) -> None:
        """Take the server's address and the index."""
        self._dataset, self._name, self._index = context.dataset, f"search {name}/{index}", index
        self._endpoint = Endpoint(url, context.dataset, self._name)

    def write(self, changes: Changes) -> None:
        """Send the changes, some megabytes at once."""
        parts: list[bytes] = []
        size = 0
        for entry in _entries(changes):
            parts.append(entry)
            size += len(entry)
            if size >= _BYTES_AT_ONCE:
                self._send(b"".join(parts))
                parts, size = [], 0
        if parts:
            self._send(b"".join(parts))

    def close(self) -> None:
        """Close the connection."""
        self._endpoint.close()

    def _send(self, body: bytes) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        answer = self._endpoint.post(f"/{quote(self._index)}/_bulk", body, headers)
        document: Mapping[str, Any] = json.loads(answer.body)
        if not document.get("errors"):
            return
        outcomes = [outcome for item in document["items"] for outcome in item.values() if "error" in outcome]
        wrong = [outcome for outcome in outcomes if outcome["status"] not in {_NEWER_IS_THERE, _MISSING}]
        if any(outcome["status"] in _BUSY for outcome in wrong):
            raise SinkUnreachable(self._dataset, self._name, "it is busy")
        if wrong:
            reason = wrong[0]["error"].get("type", "error") if isinstance(wrong[0]["error"], dict) else "error"
            fix = "give the index a mapping that takes the columns' types, or publish other columns"
            raise SinkRefused(self._dataset, self._name, f"it refuses {len(wrong)} documents: {reason}", fix=fix)


def _entries(changes: Changes) -> Iterator[bytes]:
    version = {"version": changes.number, "version_type": "external_gte"}
    for name, document in changes.documents():
        yield json.dumps({"index": {"_id": name, **version}}).encode() + b"\n" + document + b"\n"
    for name in changes.deleted_ids:
        yield json.dumps({"delete": {"_id": name, **version}}).encode() + b"\n"


def open_sink(options: Mapping[str, Any], context: SinkContext) -> SearchSink:
    """Open the index of a dataset."""
    connection = options["connection"]
    return SearchSink(context.address(connection), options["index"], context=context, name=connection)
