"""A real database of accounts that change at random, for tests that keep a table equal to it."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pymysql

from tests.servers import mariadb_server, postgres_server


class LiveAccounts:
    """A database whose accounts change.

    Attributes:
        kind: `postgresql` or `mariadb`.
        url: With a user who may replicate.
        port: Of loopback.
    """

    def __init__(self, kind: str, url: str) -> None:
        self.kind, self.url, self.port = kind, url, urlsplit(url).port
        self.seed = random.Random(5)  # noqa: S311 - a test's
        self.create()

    def connect(self) -> Any:
        """Opens a connection; to MariaDB as root, who may also end other connections."""
        if self.kind == "postgresql":
            return psycopg2.connect(self.url)
        return pymysql.connect(host="127.0.0.1", port=self.port, user="root", database="shop")

    def create(self) -> None:
        """Makes the table, with seven rows."""
        instant = "timestamptz" if self.kind == "postgresql" else "datetime(6)"
        self.run(f"create table accounts (id int primary key, owner varchar(20), balance decimal(12, 2), at {instant})")
        for number in range(1, 8):
            self.run("insert into accounts (id, owner, balance, at) values (%s, 'first', 1.50, '2024-03-01 09:00:00')",
                     number)  # fmt: skip

    def run(self, sql: str, *values: object) -> None:
        """Runs one transaction."""
        with closing(self.connect()) as connection:
            connection.cursor().execute(sql, values or None)
            connection.commit()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def rows(self) -> list[tuple[Any, ...]]:
        """The accounts, by number."""
        return self.ask("select id, owner, balance from accounts order by id")

    def change(self) -> None:
        """Runs one random transaction."""
        number, other = self.seed.sample(range(1, 40), 2)
        owner, balance = self.seed.choice(["Ada", "Bob", "Müller"]), f"{self.seed.randrange(9000)}.{number:02}"
        existing = {row[0] for row in self.rows()}
        word = self.seed.choices(["upsert", "delete", "key", "truncate"], [20, 6, 4, 0.4])[0]
        if word == "truncate":
            self.run("truncate table accounts")
        elif word == "delete":
            self.run("delete from accounts where id = %s", number)
        elif word == "key" and number in existing and other not in existing:
            self.run("update accounts set id = %s where id = %s", other, number)
        elif number in existing:
            self.run("update accounts set owner = %s, balance = %s where id = %s", owner, balance, number)
        else:
            self.run("insert into accounts (id, owner, balance) values (%s, %s, %s)", number, owner, balance)


@contextmanager
def live_accounts(kind: str) -> Iterator[LiveAccounts]:
    """Yields such a database on a server of its own."""
    with ExitStack() as stack:
        if kind == "postgresql":
            port = parse_qs(urlsplit(stack.enter_context(postgres_server(replicates=True))).query)["port"][0]
            yield LiveAccounts(kind, f"postgresql://lake:none@127.0.0.1:{port}/postgres")
            return
        port = str(urlsplit(stack.enter_context(mariadb_server(replicates=True))).port)
        with closing(pymysql.connect(host="127.0.0.1", port=int(port), user="root")) as connection:
            connection.cursor().execute("create user live@'127.0.0.1' identified by 'none'")
            connection.cursor().execute("grant all on *.* to live@'127.0.0.1'")
        yield LiveAccounts(kind, f"mysql://live:none@127.0.0.1:{port}/shop")
