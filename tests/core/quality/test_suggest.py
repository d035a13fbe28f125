"""Suggested rules hold on rows that the suggester has not seen, and catch what is wrong with others."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from platform_core import contracts
from platform_core.contracts import DataFrameModel, Dataset, Field, UtcTimestamp, catalog_of, monthly
from platform_core.contracts.sources import Files
from platform_core.quality import judge
from platform_core.quality.profile import profile
from platform_core.quality.suggest import pattern_of, suggest
from platform_core.quality.suggested_code import contract_code, dataset_name, file_pattern, rules_code
from platform_core.rules import RowRule

CITIES = ["Bergen", "Oslo", "Tromsø", "Voss"]
LEARNT, UNSEEN = range(9), range(9, 12)


class Rides(DataFrameModel):
    """One ride."""

    ride: str
    city: str
    bike: str = Field(nullable=True)
    minutes: float = Field(nullable=True)
    metres: int
    fee_cents: int
    seats: int
    paid_cents: int
    note: str = Field(nullable=True)
    began_at: UtcTimestamp
    ended_at: UtcTimestamp = Field(nullable=True)


def rides(month: int, seed: int) -> pl.DataFrame:
    """A month of a history with a season, a trend and nulls that come and go."""
    rng = np.random.default_rng([seed, month])
    n = int(800 * (1 + 0.3 * np.sin(month / 2)) + 20 * month)
    began = [
        datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=30 * month, minutes=int(m))
        for m in rng.integers(0, 43_000, n)
    ]
    minutes = rng.lognormal(2.6 + 0.1 * np.sin(month), 0.5, n).clip(1, 180)
    fee, seats = rng.integers(100, 900, n), rng.integers(1, 4, n)
    return pl.DataFrame({
        "ride": [f"R{month:02d}{place:06d}" for place in range(n)],
        "city": rng.choice(CITIES, n, p=[0.4, 0.3, 0.2, 0.1]),
        "bike": [None if gone else f"{letter}{number}" for gone, letter, number in
                 zip(rng.random(n) < 0.03, rng.choice(list("ABC"), n), rng.integers(100, 999, n), strict=True)],
        "minutes": pl.Series(minutes).scatter(np.flatnonzero(rng.random(n) < 0.08), None),
        "metres": (minutes * 230 + rng.normal(0, 300, n)).clip(50).astype(int),
        "fee_cents": fee, "seats": seats, "paid_cents": fee * seats,
        "note": [None if r < 0.7 else "late " * int(1 + 5 * r) for r in rng.random(n)],
        "began_at": began,
        "ended_at": [start + timedelta(minutes=float(took)) for start, took in zip(began, minutes, strict=True)],
    }, schema={column.name: column.dtype for column in RIDES.columns})  # fmt: skip


RIDES = Dataset("city/rides", Rides, owner="team:city", version="1.0.0", partitions=monthly("2024-01", on="began_at"))


def learnt(seed: int) -> Dataset:
    """The dataset with the rules that its first nine months suggest, run from their code."""
    frame = pl.concat([rides(month, seed) for month in LEARNT])
    measured = profile("city/rides", frame, partition=pl.col("ride").str.slice(0, 3))
    names: dict[str, list] = {}
    exec(rules_code("city/rides", suggest(measured, frame)), names)  # noqa: S102 - that the code runs is what is tested
    return Dataset("city/rides", Rides, owner="team:city", version="1.0.0", rules=names["SUGGESTED"])


def red(dataset: Dataset, frame: pl.DataFrame) -> set[str]:
    return {result.rule.id for result in judge(frame, dataset, {}).results if not result.passed}


def faults(frame: pl.DataFrame, rng: np.random.Generator) -> Iterator[tuple[str, pl.DataFrame]]:
    """What goes wrong with a delivery, column by column."""
    some = pl.Series(rng.random(frame.height) < 0.3)

    def changed(name: str, value: pl.Expr) -> pl.DataFrame:
        return frame.with_columns(
            pl.when(some).then(value).otherwise(pl.col(name)).cast(frame.schema[name]).alias(name)
        )

    for name in frame.columns:
        yield f"nulls in {name}", changed(name, pl.lit(None))
    for name in ("minutes", "metres", "fee_cents", "paid_cents"):
        yield f"{name} in another unit", frame.with_columns((pl.col(name) * 60).cast(frame.schema[name]))
        yield f"{name} inflated", frame.with_columns((pl.col(name) * 3).cast(frame.schema[name]))
        yield f"{name} with a wrong sign", changed(name, -pl.col(name))
    yield "a new city", changed("city", pl.lit("Molde"))
    yield "cities in capitals", changed("city", pl.col("city").str.to_uppercase())
    yield "bikes in small letters", changed("bike", pl.col("bike").str.to_lowercase())
    yield "bikes with blanks", changed("bike", pl.col("bike") + " ")
    yield "most rows gone", frame.head(frame.height // 4)
    yield "rows twice", pl.concat([frame, frame.filter(some)])
    yield "rows three times", pl.concat([frame] * 3)
    yield "ended before it began", changed("ended_at", pl.col("ended_at") - pl.duration(days=3))
    yield "paid what was not due", changed("paid_cents", pl.col("paid_cents") + 1)


def test_of_what_is_suggested_99_percent_holds_on_the_next_three_months() -> None:
    learnt_ones = [learnt(seed) for seed in range(3)]
    pairs = [(dataset, rides(month, seed)) for seed, dataset in enumerate(learnt_ones) for month in UNSEEN]
    judged = sum(len(dataset.rules) for dataset, _ in pairs)
    broken = [(rule, dataset.name) for dataset, frame in pairs for rule in red(dataset, frame)]
    assert judged > 150
    assert len(broken) / judged <= 0.01, broken


def test_suggested_rules_catch_80_percent_of_planted_faults() -> None:
    rng = np.random.default_rng(7)
    missed, planted = [], 0
    for seed in range(2):
        dataset = learnt(seed)
        for fault, frame in faults(rides(9, seed), rng):
            planted += 1
            missed += [] if red(dataset, frame) else [fault]
    assert len(missed) / planted <= 0.2, (planted, missed)


def test_a_contract_suggested_for_an_unknown_file_loads_and_passes_its_own_rows() -> None:
    frame = pl.concat([rides(month, 1) for month in LEARNT]).rename({"note": "class", "metres": "way (m)"})
    measured = profile("landing/Rides-2024-09.csv", frame, personal={"bike": "name"})
    code = contract_code(measured, suggest(measured, frame), frame.schema, name=dataset_name(measured.name),
                         owner="team:city", source=f"Files({file_pattern(measured.name)!r})")  # fmt: skip
    names: dict[str, Dataset] = {}
    exec(code, names)  # noqa: S102 - that the code runs is what is tested
    suggested = catalog_of([names["rides"]])["landing/rides"]
    assert suggested.key == ("ride",)
    assert suggested.source == Files("Rides-*.csv")
    assert [result.rule.id for result in judge(frame, suggested, {}).results if not result.passed] == []


def test_rows_of_files_that_nothing_tells_apart_are_known_by_their_place() -> None:
    for height in (3, 300):
        frame = pl.DataFrame({"FILE": ["a"] * height, "fee": [1] * height})
        measured = profile("fees.csv", frame)
        code = contract_code(measured, suggest(measured, frame), frame.schema, name="a/fees", owner="team:a",
                             source='Files("fees-*")')  # fmt: skip
        names: dict[str, Dataset] = {}
        exec(code, names)  # noqa: S102 - that the code runs is what is tested
        fees = catalog_of([names["fees"]])["a/fees"]
        assert fees.key == ("source_file", "source_line")
        assert fees.source == Files("fees-*", path_columns={"source_file": "[^/]+$"}, place_column="source_line")


def test_where_nothing_is_to_be_added_the_code_runs_too() -> None:
    names: dict[str, list] = {}
    exec(rules_code("a/b", ()), names)  # noqa: S102 - that the code runs is what is tested
    assert names["SUGGESTED"] == []


def test_of_a_few_rows_nothing_but_types_is_said() -> None:
    frame = rides(1, 1).head(20)
    assert suggest(profile("few", frame), frame) == ()


def test_no_suggestion_shows_a_value_of_personal_data() -> None:
    frame = pl.DataFrame({"mail": ["canary@leak.example"] * 60, "born": [19770131] * 60})
    measured = profile("people", frame, personal={"mail": "email", "born": "birth_date"})
    written = rules_code("people", suggest(measured, frame)) + contract_code(
        measured, suggest(measured, frame), frame.schema, name="a/people", owner="team:a", source="Files('people-*')"
    )
    assert [value for value in ("canary", "19770131") if value in written] == []


@pytest.mark.parametrize(
    ("shapes", "pattern"),
    [
        (["A999", "A99"], "^[A-Z][0-9]{2,3}$"),
        (["9999-99"], r"^[0-9]{4}\-[0-9]{2}$"),
        (["aaa", "aaaa"], None),
        (["A9", "9A"], None),
        ([""], None),
    ],
)
def test_a_pattern_is_made_of_shapes_that_are_a_code(shapes: list[str], pattern: str | None) -> None:
    assert pattern_of(shapes) == pattern


def test_names_and_shapes_with_letters_beyond_ascii_and_records_are_suggested_as_code_that_runs() -> None:
    frame = pl.DataFrame({
        "Größe (m²)": range(60),
        "straße": [f"{street} {number}" for street in ("Öderweg", "Bäckerg") for number in range(10, 40)],
        "user": [{"id": 1, "mail": None}] * 60,
        "sizes": [[1, 2]] * 60,
    }, schema={"Größe (m²)": pl.Int64, "straße": pl.String,
               "user": pl.Struct({"id": pl.Int64, "mail": pl.String}), "sizes": pl.List(pl.Int64)})  # fmt: skip
    measured = profile("flats.csv", frame)
    code = contract_code(
        measured, suggest(measured, frame), frame.schema, name="a/flats", owner="team:a", source="Files('flats-*')"
    )
    names: dict[str, Dataset] = {}
    exec(code, names)  # noqa: S102 - that the code runs is what is tested
    suggested = catalog_of([names["flats"]])["a/flats"]
    assert {column.name: column.dtype for column in suggested.columns} == dict(frame.schema)
    assert "stra_e_shape" in code
    assert red(suggested, frame) == set()


def test_infinities_and_the_ends_of_types_get_bounds_that_hold() -> None:
    ends = {"huge": [1e308, -1e308, math.inf], "tiny": [5e-324, 1e-300, 0.5], "whole": [2**63 - 1, -(2**63), 0]}
    frame = pl.DataFrame({name: values * 40 for name, values in ends.items()})
    found = suggest(profile("ends", frame.lazy()), frame.lazy())
    assert "tiny_range" in {each.id for each in found}
    for each in found:
        rule = eval(each.code, vars(contracts).copy())  # noqa: S307 - our own code
        assert frame.select(rule.holds() if isinstance(rule, RowRule) else rule.measure.is_not_null()).to_series().all()
