"""A webhook: changed rows by POST; `Idempotency-Key` is the same for a request that is sent again.

A request is `{"dataset", "number", "put": [{"id", "row"}], "delete": [id]}`. A receiver that keeps the highest number
of an id may take requests in any order.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from platform_resources.sinks.base import Changes, Sink, SinkContext
from platform_resources.sinks.http import Endpoint


class WebhookSink(Sink):
    """Changes of one dataset, sent to a URL."""

    def __init__(self, url: str, rows: int, *, context: SinkContext, name: str) -> None:
        """Take the URL, and how many rows a request has at most."""
        self._dataset, self._rows = context.dataset, rows
        self._endpoint = Endpoint(url, context.dataset, f"webhook {name}")

    def write(self, changes: Changes) -> None:
        """Send the changes, request by request; a request without an answer of success ends it."""
        put = [b'{"id":%s,"row":%s}' % (json.dumps(name).encode(), document) for name, document in changes.documents()]
        deleted = [json.dumps(name).encode() for name in changes.deleted_ids]
        for start in range(0, len(put), self._rows):
            self._send(changes.number, put[start : start + self._rows], [])
        for start in range(0, len(deleted), self._rows):
            self._send(changes.number, [], deleted[start : start + self._rows])

    def close(self) -> None:
        """Close the connection."""
        self._endpoint.close()

    def _send(self, number: int, put: list[bytes], deleted: list[bytes]) -> None:
        content = b'"put":[%s],"delete":[%s]' % (b",".join(put), b",".join(deleted))
        head = b'{"dataset":%s,"number":%d,' % (json.dumps(self._dataset).encode(), number)
        name = hashlib.sha256(self._dataset.encode() + content).hexdigest()
        headers = {"Content-Type": "application/json", "Idempotency-Key": name}
        self._endpoint.post("", head + content + b"}", headers)


def open_sink(options: Mapping[str, Any], context: SinkContext) -> WebhookSink:
    """Open a dataset's webhook."""
    connection = options["connection"]
    return WebhookSink(context.address(connection), options["rows"], context=context, name=connection)
