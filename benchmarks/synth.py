"""Rows of an orders contract, beside NumPy by hand and seven other generators, in one run.

Ten columns: a numbered key, a customer of 10,000, a code by a regular expression, a category, a quantity, a price,
their product, two instants of which the second is later, a mail address with nulls. Ours are also unique, tested and
in the contract's types. By hand nothing is tested, and mail addresses are a number in a text. The peers' providers make
the same columns one row at a time; so do polyfactory and Pandera's `example` from models. dataframely draws columns and
keeps rows by which its rules hold; Pointblank draws columns, and knows no rule over two. Where a peer has no word for
the product, it is computed afterwards. tpchgen-cli writes TPC-H's nine columns of orders to Parquet. They live in an
environment of their own, made on demand in the user's cache folder from synth-peers.txt.

    python benchmarks/synth.py --rounds 3
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from harness import Case, Facts, main

ROWS, BY_COLUMN, BY_ROW, EXAMPLES, CUSTOMERS = 1_000_000, 100_000, 10_000, 20, 10_000
CODE = "[A-Z]{3}-[0-9]{4}"
CATEGORIES = ["book", "film", "game", "tool"]
BEGIN = datetime(2024, 1, 1)  # noqa: DTZ001 - the peers' instants have no zone
PINS = Path(__file__).with_name("synth-peers.txt")


def _orders() -> tuple[Any, Mapping[str, Any]]:
    import polars as pl

    from platform_core.contracts import DataFrameModel, Dataset, Field, UtcTimestamp, expression, rules_of
    from platform_core.rules import ReferenceRule

    class Orders(DataFrameModel):
        """One row per order."""

        order_id: int = Field(ge=1, unique=True, description="Number")
        customer_id: int = Field(references="bench/customers.customer_id", description="Who")
        code: str = Field(str_matches="^[A-Z]{3}-[0-9]{4}$", description="Code")
        category: str = Field(isin=CATEGORIES, description="Of what")
        quantity: int = Field(ge=1, le=20, description="Pieces")
        price: int = Field(ge=1, le=100_000, unit="cent", description="Of a piece")
        total: int = Field(ge=1, unit="cent", description="Of all")
        ordered_at: UtcTimestamp = Field(description="When it came")
        shipped_at: UtcTimestamp = Field(description="When it went")
        email: str = Field(nullable=True, pii="email", description="Where the receipt went")

    orders = Dataset(
        "bench/orders", Orders, owner="team:bench", version="1.0.0", key=("order_id",),
        rules=[
            expression("is_product", pl.col("total") == pl.col("price") * pl.col("quantity")),
            expression("goes_later", pl.col("shipped_at") > pl.col("ordered_at")),
        ],
    )  # fmt: skip
    customers = pl.DataFrame({"customer_id": range(1, CUSTOMERS + 1)})
    return orders, {rule.id: customers for rule in rules_of(orders) if isinstance(rule, ReferenceRule)}


def synthesized(_: Path) -> Iterator[Facts | None]:
    """Rows that stay the same however many are asked for."""
    from platform_core.synthetic import synthesize

    orders, references = _orders()
    synthesize(orders, 100, references=references)
    yield None
    yield {"rows": synthesize(orders, ROWS, references=references).height}


def in_batches(_: Path) -> Iterator[Facts | None]:
    """The same, four times as many, of which a batch at a time is kept."""
    from platform_core.synthetic import synthesize_batches

    orders, references = _orders()
    yield None
    yield {"rows": sum(batch.height for batch in synthesize_batches(
        orders, 4 * ROWS, references=references))}  # fmt: skip


def by_hand(_: Path) -> Iterator[Facts | None]:
    """What one writes for a load test."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    yield None
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))[rng.integers(0, 26, (ROWS, 3))]
    digits = rng.integers(0, 10_000, ROWS)
    quantity, price = rng.integers(1, 21, ROWS), rng.integers(1, 100_001, ROWS)
    ordered = np.datetime64(BEGIN, "us") + rng.integers(0, 365 * 86_400, ROWS).astype("timedelta64[s]")
    frame = pl.DataFrame({
        "order_id": np.arange(1, ROWS + 1),
        "customer_id": rng.integers(1, CUSTOMERS + 1, ROWS),
        "code": ["".join(three) + f"-{four:04}" for three, four in zip(letters.tolist(), digits.tolist(), strict=True)],
        "category": np.array(CATEGORIES)[rng.integers(0, len(CATEGORIES), ROWS)],
        "quantity": quantity, "price": price, "total": quantity * price,
        "ordered_at": ordered,
        "shipped_at": ordered + rng.integers(1, 10 * 86_400, ROWS).astype("timedelta64[s]"),
        "email": [f"user{number}@example.com" if number % 10 else None for number in digits.tolist()],
    })  # fmt: skip
    yield {"rows": frame.height}


def _by_row(row: Callable[[int], Mapping[str, Any]]) -> Iterator[Facts | None]:
    row(1)
    yield None
    yield {"rows": len([row(number) for number in range(1, BY_ROW + 1)])}


def faker(_: Path) -> Iterator[Facts | None]:
    """Faker's providers."""
    from faker import Faker

    fake = Faker()
    Faker.seed(0)

    def row(number: int) -> Mapping[str, Any]:
        quantity, price = fake.random_int(1, 20), fake.random_int(1, 100_000)
        ordered = fake.date_time_between(BEGIN, BEGIN + timedelta(days=365))
        return {
            "order_id": number, "customer_id": fake.random_int(1, CUSTOMERS), "code": fake.bothify("???-####").upper(),
            "category": fake.random_element(CATEGORIES), "quantity": quantity, "price": price,
            "total": quantity * price, "ordered_at": ordered,
            "shipped_at": ordered + timedelta(seconds=fake.random_int(1, 864_000)),
            "email": fake.email() if fake.random_int(0, 9) else None,
        }  # fmt: skip

    return _by_row(row)


def mimesis(_: Path) -> Iterator[Facts | None]:
    """The providers of mimesis."""
    from mimesis import Generic

    fake = Generic(seed=0)
    whole = fake.random.randint

    def row(number: int) -> Mapping[str, Any]:
        quantity, price = whole(1, 20), whole(1, 100_000)
        ordered = fake.datetime.datetime(start=2024, end=2024)
        return {
            "order_id": number, "customer_id": whole(1, CUSTOMERS),
            "code": fake.random.generate_string_by_mask("@@@-####"),
            "category": fake.random.choice(CATEGORIES), "quantity": quantity, "price": price,
            "total": quantity * price, "ordered_at": ordered,
            "shipped_at": ordered + timedelta(seconds=whole(1, 864_000)),
            "email": fake.person.email() if whole(0, 9) else None,
        }  # fmt: skip

    return _by_row(row)


def polyfactory(_: Path) -> Iterator[Facts | None]:
    """Its factory of a Pydantic model."""
    from polyfactory import PostGenerated
    from polyfactory.factories.pydantic_factory import ModelFactory
    from pydantic import BaseModel, Field

    class Order(BaseModel):
        order_id: int
        customer_id: int = Field(ge=1, le=CUSTOMERS)
        code: str = Field(pattern=f"^{CODE}$")
        category: str
        quantity: int = Field(ge=1, le=20)
        price: int = Field(ge=1, le=100_000)
        total: int
        ordered_at: datetime
        shipped_at: datetime
        email: str | None

    class Orders(ModelFactory[Order]):
        __random_seed__ = 0
        category = lambda: Orders.__random__.choice(CATEGORIES)  # noqa: E731 - its way of saying so
        ordered_at = lambda: BEGIN + timedelta(seconds=Orders.__random__.randint(0, 365 * 86_400))  # noqa: E731
        email = lambda: Orders.__faker__.email() if Orders.__random__.randint(0, 9) else None  # noqa: E731
        total = PostGenerated(lambda _, values: values["price"] * values["quantity"])
        shipped_at = PostGenerated(
            lambda _, values: values["ordered_at"] + timedelta(seconds=Orders.__random__.randint(1, 864_000))
        )

    return _by_row(lambda number: Orders.build(order_id=number))


def dataframely(_: Path) -> Iterator[Facts | None]:
    """Its `Schema.sample`."""
    import dataframely as dy
    import polars as pl

    class Orders(dy.Schema):
        order_id = dy.Int64(primary_key=True)
        customer_id = dy.Int64(min=1, max=CUSTOMERS)
        code = dy.String(regex=CODE)
        category = dy.Enum(CATEGORIES)
        quantity = dy.Int64(min=1, max=20)
        price = dy.Int64(min=1, max=100_000)
        ordered_at = dy.Datetime(min=BEGIN, max=BEGIN + timedelta(days=365))
        shipped_at = dy.Datetime(min=BEGIN, max=BEGIN + timedelta(days=375))
        email = dy.String(nullable=True, regex="[a-z]{3,9}@[a-z]{3,9}[.]com")

        @dy.rule()
        def goes_later(cls) -> pl.Expr:  # noqa: N805 - a class method by its decorator
            return pl.col("shipped_at") > pl.col("ordered_at")

    Orders.sample(100)
    yield None
    rows = Orders.sample(BY_COLUMN).with_columns(total=pl.col("price") * pl.col("quantity"))
    yield {"rows": rows.height}


def pointblank(_: Path) -> Iterator[Facts | None]:
    """Its `generate_dataset`; whether a row goes after it came is left to chance."""
    import pointblank as pb
    import polars as pl

    until = BEGIN + timedelta(days=365)
    schema = pb.Schema(
        order_id=pb.int_field(min_val=1, unique=True), customer_id=pb.int_field(min_val=1, max_val=CUSTOMERS),
        code=pb.string_field(pattern=CODE), category=pb.string_field(allowed=CATEGORIES),
        quantity=pb.int_field(min_val=1, max_val=20), price=pb.int_field(min_val=1, max_val=100_000),
        ordered_at=pb.datetime_field(BEGIN, until), shipped_at=pb.datetime_field(BEGIN, until),
        email=pb.string_field(preset="email", nullable=True, null_probability=0.1),
    )  # fmt: skip
    pb.generate_dataset(schema, n=10, seed=0)
    yield None
    rows = pb.generate_dataset(schema, n=BY_ROW, seed=0).with_columns(total=pl.col("price") * pl.col("quantity"))
    yield {"rows": rows.height}


def pandera_example(_: Path) -> Iterator[Facts | None]:
    """Pandera's own `example`, by Hypothesis; without the rules over two columns, which it does not find rows for."""
    import warnings

    import pandera.pandas as pa

    warnings.simplefilter("ignore")
    instant = pa.Check.in_range(BEGIN, BEGIN + timedelta(days=365))
    schema = pa.DataFrameSchema({
        "order_id": pa.Column(int, pa.Check.ge(1), unique=True),
        "customer_id": pa.Column(int, pa.Check.in_range(1, CUSTOMERS)),
        "code": pa.Column(str, pa.Check.str_matches(f"^{CODE}$")),
        "category": pa.Column(str, pa.Check.isin(CATEGORIES)),
        "quantity": pa.Column(int, pa.Check.in_range(1, 20)), "price": pa.Column(int, pa.Check.in_range(1, 100_000)),
        "ordered_at": pa.Column("datetime64[ns]", instant), "shipped_at": pa.Column("datetime64[ns]", instant),
        "email": pa.Column(str, pa.Check.str_matches("^[a-z]{3,9}@[a-z]{3,9}[.]com$"), nullable=True),
    })  # fmt: skip
    yield None
    rows = schema.example(size=EXAMPLES)
    yield {"rows": len(rows.assign(total=rows["price"] * rows["quantity"]))}


def tpchgen(folder: Path) -> Iterator[Facts | None]:
    """The orders of TPC-H at scale 1, written to Parquet."""
    yield None
    command = [str(Path(sys.executable).with_name("tpchgen-cli")), "parquet", "-s", "1", "--tables", "orders"]
    subprocess.run([*command, "--output-dir", str(folder)], check=True, capture_output=True)
    yield {"rows": 1_500_000}


def _python() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dagster-asset-platform"
    digest = hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]
    return cache / f"synth-peers-{digest}" / "bin" / "python"


def prepare(_: Path) -> None:
    """Makes the peers' environment where it is not there yet."""
    place = _python().parents[1]
    if (place / "ready").exists():
        return
    print(f"Making an environment in {place}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    install = [str(_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(PINS)]
    subprocess.run(install, check=True)
    (place / "ready").touch()


TABLE = "Rows of ten columns"
CASES = [
    Case("synthesize, 1,000,000 rows", synthesized, ("NumPy by hand, 1,000,000 rows",), TABLE),
    Case("synthesize_batches, 4,000,000 rows", in_batches, (), TABLE),
    Case("NumPy by hand, 1,000,000 rows", by_hand, (), TABLE),
    Case("Faker, 10,000 rows", faker, (), TABLE, python=_python()),
    Case("mimesis, 10,000 rows", mimesis, (), TABLE, python=_python()),
    Case("polyfactory, 10,000 rows", polyfactory, (), TABLE, python=_python()),
    Case("dataframely, 100,000 rows", dataframely, (), TABLE, python=_python()),
    Case("Pointblank, 10,000 rows", pointblank, (), TABLE, python=_python()),
    Case("Pandera's example, 20 rows", pandera_example, (), TABLE, python=_python()),
    Case("tpchgen-cli, 1,500,000 rows", tpchgen, (), TABLE, python=_python()),
]

if __name__ == "__main__":
    main(CASES, prepare=prepare)
