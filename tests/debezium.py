"""A database of accounts for tests, which changes at random and says so in Debezium's envelopes."""

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

START = datetime(2024, 3, 1, tzinfo=UTC)


class Bank:
    """Rows by key, and the messages of all that happened to them."""

    def __init__(self, seed=0):
        self.random, self.lsn, self.rows = random.Random(seed), 1000, {}  # noqa: S311 - a test's

    def work(self, steps):
        """The messages, as key and value, of some random transactions."""
        return [message for _ in range(steps) for message in self._step()]

    def snapshot(self):
        """The messages of a snapshot of all rows."""
        return [self._message("r", None, row) for row in self.rows.values()]

    def expected(self):
        """The rows as a table has them, by key."""
        return sorted(
            (key, row["owner"], Decimal(row["balance"]), START + timedelta(microseconds=row["at"] - _micros(START)))
            for key, row in self.rows.items()
        )

    def _step(self):
        self.lsn += self.random.randint(1, 9)
        word = self.random.choices("cudkxt", (8, 12, 4, 3, 2, 0.15))[0]
        keys = [*self.rows]
        if word == "c" or not keys:
            key = self.random.choice([key for key in range(1, 60) if key not in self.rows] or [max(keys) + 1])
            self.rows[key] = self._row(key)
            return [self._message("c", None, self.rows[key])]
        key = self.random.choice(keys)
        before = self.rows[key]
        if word == "u":
            self.rows[key] = self._row(key)
            return [self._message("u", before, self.rows[key])]
        if word == "t":
            self.rows.clear()
            return [(None, json.dumps(self._envelope("t", None, None)).encode())]
        del self.rows[key]
        if word == "d":
            return [self._message("d", {"id": key}, None), (_key(key), None)]
        new = max([*self.rows, key]) + 1
        self.rows[new] = self._row(new)
        if word == "k":  # as Debezium sends an update of the key
            return [self._message("d", before, None), (_key(key), None), self._message("c", None, self.rows[new])]
        return [self._message("u", before, self.rows[new])]

    def _row(self, key):
        at = _micros(START) + self.random.randrange(10**9)
        return {
            "id": key,
            "owner": self.random.choice(["Ada", "Bob"]),
            "balance": f"{key}.{self.lsn % 100:02}",
            "at": at,
        }

    def _message(self, op, before, after):
        return _key((after or before)["id"]), json.dumps(self._envelope(op, before, after)).encode()

    def _envelope(self, op, before, after):
        source = {"connector": "postgresql", "table": "accounts", "lsn": self.lsn}
        return {"before": before, "after": after, "source": source, "op": op, "ts_ms": self.lsn, "transaction": None}


def _key(key):
    return json.dumps({"id": key}).encode()


def _micros(instant):
    return int(instant.timestamp()) * 1_000_000
