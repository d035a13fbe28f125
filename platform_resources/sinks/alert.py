"""An alert as a sink: a message a row that fulfils a condition, through a channel of the file of alerts.

Messages, which rows are told of, and the position are one transaction of the router's outbox, so that a row is in the
outbox once; the router sends it until the channel takes it, and a channel that is down does not hold the stream up.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from platform_resources.alerts import Outbox, read_alert_file
from platform_resources.sinks.base import Changes, Sink, SinkContext, as_documents, ids_of
from platform_resources.sinks.errors import SinkError

JOURNAL = "journal"
"""The channel that is there without a file of alerts."""


@dataclass(frozen=True)
class AlertSink(Sink):
    """Alerts of one dataset's rows.

    Attributes:
        context: Whose rows they are.
        channel: Where messages go.
        when: Which rows are told of, as SQL; None for all.
        title: Of each message.
        severity: `warn` or `error`.
        most: Rows that are told of one by one at a time; of more, one message says how many.
    """

    context: SinkContext
    channel: str
    when: str | None
    title: str
    severity: str
    most: int

    @property
    def keeps_position(self) -> bool:
        """It does, in one transaction with the messages."""
        return True

    def position(self) -> str | None:
        """Return the position of the last changes."""
        position: str | None = self._stored_state().get("position")
        return position

    def last_number(self) -> int:
        """Return the number of the last changes."""
        return int(self._stored_state().get("number", 0))

    def write(self, changes: Changes) -> None:
        """Tell of rows that fulfil the condition, and of those that did and do no more."""
        stored_state = self._stored_state()
        if changes.number < stored_state.get("number", 0):
            return
        holds = pl.lit(value=True) if self.when is None else pl.sql_expr(self.when)
        alerting_rows = changes.rows.filter(holds.fill_null(value=False))
        names, documents = ids_of(alerting_rows, changes.key), as_documents(alerting_rows)
        was_open = set(stored_state.get("open", ()))
        over = sorted(was_open & ({*changes.ids, *changes.deleted_ids} - set(names)))
        messages = [
            *self._tell(changes.number, list(zip(names, documents, strict=True))),
            *(self._message(changes.number, name, "recovered", {}) for name in over),
        ]
        are_open = sorted((was_open | set(names[: self.most])) - set(over))
        state = {"position": changes.position, "number": changes.number, "open": are_open}
        Outbox(self.context.settings.state).commit({self._name: state}, messages)

    @property
    def _name(self) -> str:
        return f"rows of {self.context.dataset} to {self.channel}"

    def _stored_state(self) -> Mapping[str, Any]:
        stored_state: Mapping[str, Any] = Outbox(self.context.settings.state).load().get(self._name, {})
        return stored_state

    def _tell(self, number: int, rows: Sequence[tuple[str, bytes]]) -> Iterator[Mapping[str, Any]]:
        for name, document in rows[: self.most]:
            yield self._message(number, name, "opened", json.loads(document))
        if len(rows) > self.most:
            more = f"{len(rows) - self.most:,} rows more"
            yield self._message(number, f"{more} of {number}", "opened", {"more": more})

    def _message(self, number: int, name: str, event: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        dataset, now = self.context.dataset, datetime.now(UTC)
        words = "recovered: " if event == "recovered" else ""
        incident = f"{dataset} {name}"
        digest = hashlib.sha256(json.dumps([incident, self.channel, event, number]).encode()).hexdigest()[:32]
        web = self.context.settings.web.rstrip("/")
        document = {
            "id": digest,
            "event": event,
            "incident": incident,
            "title": f"[{self.severity}] {words}{dataset}: {self.title}",
            "text": "\n".join(f"{key}: {value}" for key, value in ({"row": name} | dict(row)).items()),
            "severity": self.severity,
            "root": dataset,
            "owner": "",
            "since": now.isoformat(),
            "at": now.isoformat(),
            "affected": 0,
            "below": 0,
            "link": f"{web}/assets/{dataset}" if web else "",
            "alerts": [],
            "key": name,
            "row": dict(row),
        }
        return {"id": digest, "channel": self.channel, "due_at": now.timestamp(), "document": document}


def open_sink(options: Mapping[str, Any], context: SinkContext) -> AlertSink:
    """Open a dataset's alerts.

    Raises:
        SinkError: The file of alerts has no such channel, or the condition is none over the published columns.
    """
    channel, when = options["channel"], options["when"]
    channels = [JOURNAL, *read_alert_file(context.settings).channels]
    if channel not in channels:
        fix = f"name one of {', '.join(channels)}, or add [channels.{channel}] to the file of PLATFORM_ALERTS"
        raise SinkError(context.dataset, f"alert {channel}", "there is no such channel", fix=fix)
    if when is not None:
        _refuse_condition(when, channel, context)
    title = options["title"] or when or "a row came"
    return AlertSink(context, channel, when, title, options["severity"], options["most"])


def _refuse_condition(when: str, channel: str, context: SinkContext) -> None:
    try:
        pl.DataFrame(schema=dict(context.schema)).select(pl.sql_expr(when).cast(pl.Boolean))
    except pl.exceptions.PolarsError as error:
        raise SinkError(
            context.dataset,
            f"alert {channel}",
            f"when={when!r} is no condition over {', '.join(context.schema)} ({type(error).__name__})",
            fix="write it as SQL over columns that are published, such as 'anomaly_score >= 3'",
        ) from error
