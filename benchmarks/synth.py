"""Rows of an orders contract, beside NumPy by hand, Faker and mimesis, in one run.

Ten columns: a numbered key, a customer of 10,000, a code by a regular expression, a category, a quantity, a price,
their product, two instants of which the second is later, a mail address with nulls. Ours are also unique, tested and
in the contract's types. By hand nothing is tested, and mail addresses are a number in a text. The peers' providers make
the same columns one row at a time. Both live in an environment of their own, made on demand in the user's cache folder
from synth-peers.txt.

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

ROWS, BY_ROW, CUSTOMERS = 1_000_000, 10_000, 10_000
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
]

if __name__ == "__main__":
    main(CASES, prepare=prepare)
