"""Wrong declarations are refused when loaded: all of them at once, each with culprit and fix."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import polars as pl
import pytest

from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Files,
    Generated,
    Parquet,
    Quarantine,
    Retention,
    Sla,
    UtcTimestamp,
    catalog_of,
    col,
    complete,
    expression,
    hourly,
    measure,
    monthly,
    references,
    rules_of,
    unique,
    volume,
    within,
)
from platform_core.contracts.reach import ingest_reads_all, readers_of_all
from platform_core.errors import ContractError, Problem


class Good(DataFrameModel):
    """A model without a fault."""

    id: int = Field(gt=0)
    name: str = Field(nullable=True)
    day: pl.Date


class Dropping(Good):
    """A model that would drop rows."""

    class Config:
        drop_invalid_rows: ClassVar = True


def declare(model: type[DataFrameModel] = Good, **terms: Any) -> Dataset:
    """A dataset that is right but for the given terms."""
    name = terms.pop("name", "shop/things")
    source = Files(f"{name.rpartition('/')[2]}-*.csv")
    said = {"owner": "team:x", "version": "1.0.0", "key": ("id",), "source": source, "store": Delta("merge")}
    return Dataset(name, model, **{**said, **terms})


@pytest.mark.parametrize("line", ["every day", "0 6 * *", "99 * * * *", "0 6 * * 8", "@daily"])
def test_a_schedule_that_is_no_cron_line_is_refused_by_name(line: str) -> None:
    with pytest.raises(ContractError, match="is no cron line of five fields"):
        catalog_of([declare(schedule=line)])


@pytest.mark.parametrize("line", ["0 6 * * *", "*/15 0-6,22 1 JAN-MAR MON,FRI", "5/20 * * * 0"])
def test_a_cron_line_is_taken(line: str) -> None:
    assert catalog_of([declare(schedule=line)])


def test_the_items_of_a_mapping_are_judged_too() -> None:
    with pytest.raises(ContractError, match="holds 3, which is a whole number, and a text belongs there"):
        catalog_of([declare(source=Files("x-*", formats={"day": 3}))])  # type: ignore[dict-item]  # the point


@pytest.mark.parametrize(
    ("terms", "culprit"),
    [
        ({"newest": "updated"}, "is not in the model"),
        ({"newest": "name"}, "may be null"),
        ({"newest": 3}, "newest=3"),
        ({"newest": "day", "key": (), "source": None, "store": Delta()}, "needs a key"),
        ({"newest": "day", "store": Delta("append"), "source": Generated(rows=1)}, "keeps each"),
        ({"newest": "day", "rules": [unique("name")]}, "would hold a value"),
    ],
)
def test_a_column_that_cannot_say_which_row_is_the_newest_is_refused(terms: dict[str, Any], culprit: str) -> None:
    with pytest.raises(ContractError, match=culprit):
        catalog_of([declare(**terms)])


def aging(retention: Retention, **terms: Any) -> Dataset:
    """A dataset of months with a retention."""
    return declare(partitions=monthly("2024-01", on="day"), retention=retention, **terms)


def refused(*datasets: Dataset) -> tuple[Problem, ...]:
    """The problems for which the datasets are refused."""
    with pytest.raises(ContractError) as caught:
        catalog_of(datasets)
    return caught.value.problems


def model(**fields: tuple[Any, Any]) -> type[DataFrameModel]:
    """A model with a good id and the given fields."""
    return type(
        "Model",
        (DataFrameModel,),
        {
            "__annotations__": {"id": int, **{name: kind for name, (kind, _) in fields.items()}},
            "id": Field(gt=0),
            **{name: rule for name, (_, rule) in fields.items()},
        },
    )


WRONG: dict[str, tuple[Callable[[], Dataset], str]] = {
    "a name without a domain": (lambda: declare(name="things"), "name 'things'"),
    "a name with two underscores in a row": (lambda: declare(name="shop/a__b"), "name 'shop/a__b'"),
    "a version that is no version": (lambda: declare(version="1"), "version '1'"),
    "an owner who cannot be reached": (lambda: declare(owner="bob"), "owner 'bob'"),
    "an unknown rule": (lambda: declare(model(x=(int, Field(gee=3)))), "no rule 'gee'"),
    "an unknown PII class": (lambda: declare(model(x=(str, Field(pii="shoe")))), "no PII class 'shoe'"),
    "an unknown severity": (lambda: declare(model(x=(str, Field(severity="fatal")))), "severity='fatal'"),
    "bounds that exclude each other": (lambda: declare(model(x=(int, Field(ge=3, le=1)))), "no value can be"),
    "a pattern with look-ahead": (lambda: declare(model(x=(str, Field(str_matches="(?=x)")))), "no look-around"),
    "a timestamp without a zone": (lambda: declare(model(x=(pl.Datetime, Field()))), "timestamp without a zone"),
    "a coverage above one": (lambda: declare(model(x=(str, Field(coverage=2.0)))), "coverage 2.0"),
    "a reference that names no column": (lambda: declare(model(x=(str, Field(references="a/b")))), "references 'a/b'"),
    "a reference to a missing dataset": (lambda: declare(model(x=(str, Field(references="a/b.c")))), "not declared"),
    "a reserved column name": (lambda: declare(model(x=(str, Field(alias="_source")))), "the platform's own"),
    "a key that is no column": (lambda: declare(key=("nope",)), "column 'nope'"),
    "a key that may be null": (lambda: declare(key=("name",)), "may be null"),
    "a merge without a key": (lambda: declare(key=()), "merges by key"),
    "a quarantine without a key": (
        lambda: declare(key=(), store=Delta(), source=Generated(rows=1), quarantine=Quarantine()),
        "replays rows by key",
    ),
    "a merge into Parquet": (lambda: declare(store=Parquet("merge")), "cannot merge"),
    "files into a table that cannot merge": (lambda: declare(store=Delta("append")), "may be revised"),
    "a partition on a missing column": (lambda: declare(partitions=monthly("2024-01", on="when")), "column 'when'"),
    "a partition on a number": (lambda: declare(partitions=monthly("2024-01", on="id")), "Int64"),
    "a first partition of another grain": (lambda: declare(partitions=monthly("2024-01-01", on="day")), "not a key"),
    "a rule on a missing column": (lambda: declare(rules=[complete("nope", at_least=0.5)]), "column 'nope'"),
    "an expression on a missing column": (lambda: declare(rules=[expression("e", col("no") > 1)]), "column 'no'"),
    "a share above one": (lambda: declare(rules=[complete("name", at_least=2)]), "a share of 2"),
    "a rule without a bound": (lambda: declare(rules=[volume()]), "cannot fail"),
    "bounds the wrong way round": (lambda: declare(rules=[volume(at_least=5, at_most=1)]), "swap the bounds"),
    "one id for two rules": (lambda: declare(rules=[volume(at_least=1), volume(at_most=9)]), "2 times"),
    "an id that is no check's name": (lambda: declare(rules=[measure("a b", pl.len(), at_least=1)]), "no name"),
    "a blocking rule over the table": (
        lambda: declare(rules=[volume(at_least=1, over="table", severity="error")]),
        "written by then",
    ),
    "a reference of unequal width": (
        lambda: declare(rules=[references(("id", "name"), "shop/things", to=("id",))]),
        "pairs 2 columns with 1",
    ),
    "a freshness that cannot be": (lambda: declare(freshness=within(hours=0)), "freshness 0:00:00"),
    "rows kept for no time": (lambda: aging(Retention(keep=within(days=-1))), "retention keep=-1 day, 0:00:00"),
    "rows kept without partitions": (lambda: declare(retention=Retention(keep=within(days=9))), "retention keep"),
    "readers that look for what is gone": (
        lambda: aging(Retention(keep=within(days=9), read_back=within(days=10))),
        "retention read_back=10 days, 0:00:00",
    ),
    "fresh and gone": (
        lambda: aging(Retention(keep=within(days=1)), freshness=within(days=2)),
        "retention keep=1 day, 0:00:00",
    ),
    "versions shorter than a reader": (
        lambda: declare(retention=Retention(versions=within(hours=1))),
        "retention versions=1:00:00",
    ),
    "versions of plain Parquet": (
        lambda: declare(source=Generated(3), store=Parquet(), retention=Retention(versions=within(days=9))),
        "retention versions",
    ),
    "an availability above one": (lambda: declare(sla=Sla(availability=99.9)), "availability 99.9"),
    "a bound of another type": (
        lambda: declare(model(x=(int, Field(ge="3")))),
        "x is Int64, and does not compare with '3'",
    ),
    "a pattern on numbers": (lambda: declare(model(x=(int, Field(str_matches="3")))), "'x_matches': cannot be judged"),
    "a comparison of text with a number": (
        lambda: declare(rules=[expression("e", col("name") > 1)]),
        "rule 'e': cannot be judged: cannot compare",
    ),
    "an expression that is no truth": (lambda: declare(rules=[expression("e", col("id") + 1)]), "not true or false"),
    "an expression that drops rows": (
        lambda: declare(rules=[expression("e", (col("id") > 0).filter(col("id") > 1))]),
        "not true or false for each row",
    ),
    "a measure that is no number": (lambda: declare(rules=[measure("m", col("name").max(), at_least=1)]), "one number"),
    "a measure without an aggregate": (lambda: declare(rules=[measure("m", col("id"), at_least=1)]), "one number"),
    "a pattern of Rust's": (
        lambda: declare(model(x=(str, Field(str_matches=r"^\p{Lu}|x")))),
        r'str.contains(r"^(?:^\p{Lu}|x)")',
    ),
    "a column that begins with an underscore": (lambda: declare(model(_x=(int, Field()))), "Field(source_name='_x')"),
    "a null that is a text": (lambda: declare(model(x=(str, Field(nullable="yes")))), "neither True nor False"),
    "a description that is a number": (lambda: declare(model(x=(str, Field(description=3)))), "it is no text"),
    "values of several types": (
        lambda: declare(model(x=(str, Field(isin=["a", 1])))),
        "rule 'x_isin': cannot be judged: x is String, and does not compare with 'a', 1",
    ),
    "a fraction among whole numbers": (lambda: declare(model(x=(int, Field(isin=[1, 2.5])))), "rule 'x_isin'"),
    "files of no name": (lambda: declare(source=Files("")), "matches no file"),
    "files outside of the landing folder": (lambda: declare(source=Files("/data/x-*")), "matches no file"),
    "files of another domain": (lambda: declare(source=Files("../other/x-*")), "matches no file"),
    "an encoding nobody knows": (lambda: declare(source=Files("x*", encoding="utf-99")), "encoding 'utf-99'"),
    "an encoding of no texts": (lambda: declare(source=Files("x*", encoding="base64")), "encoding 'base64'"),
    "a format of a missing column": (lambda: declare(source=Files("x*", formats={"dya": "%d"})), "column 'dya'"),
    "a format without a directive": (lambda: declare(source=Files("x*", formats={"day": "YYYY"})), "such as %d"),
    "a format of an instant without a zone": (
        lambda: declare(model(at=(UtcTimestamp, Field())), source=Files("x*", formats={"at": "%d.%m.%Y %H:%M"})),
        "tells no instant",
    ),
    "a case of numbers": (lambda: declare(source=Files("x*", case={"id": "upper"})), "is for texts"),
    "null texts of a missing column": (lambda: declare(source=Files("x*", null_values={"y": ["-"]})), "column 'y'"),
    "a key that names a column twice": (lambda: declare(key=("id", "id")), "named 2 times"),
    "a key that is one text": (lambda: declare(key="id"), 'key=("id",)'),
    "tags that are one text": (lambda: declare(tags="raw"), 'tags=("raw",)'),
    "an hour of a day": (lambda: declare(partitions=hourly("2024-01-01-00:00", on="day")), "or longer"),
    "a partition by local time": (
        lambda: declare(
            model(at=(Annotated[pl.Datetime, "us", "Europe/Berlin"], Field())), partitions=monthly("2024-01", on="at")
        ),
        "Europe/Berlin",
    ),
    "a source that is a text": (lambda: declare(source="x*.csv"), "write source=Files("),
    "a freshness without a unit": (lambda: declare(freshness=24), "write freshness=within(hours=24)"),
    "a quarantine that is a truth": (lambda: declare(quarantine=True), "write quarantine=Quarantine()"),
    "a store that is a text": (lambda: declare(store="delta"), "write store=Delta(mode='merge')"),
    "a mode that is none": (lambda: declare(store=Delta("merged")), "mode='merged'"),
    "rules that are one": (lambda: declare(rules=volume(at_least=1)), "write rules=[volume(at_least=1)]"),
    "a rule that is a text": (lambda: declare(rules=["x"]), "holds 'x', which is a text, and a Rule"),
    "a keeping without a unit": (lambda: declare(quarantine=Quarantine(5)), "keep=5"),
    "a list of no value": (lambda: declare(model(x=(str, Field(isin=[])))), "allows no value"),
    "an open pattern": (lambda: declare(model(x=(str, Field(str_matches="(")))), "unterminated subpattern"),
    "a range the wrong way round": (
        lambda: declare(model(x=(int, Field(in_range={"min_value": 5, "max_value": 1})))),
        "empty interval",
    ),
    "a bound that is None": (lambda: declare(model(x=(int, Field(ge=None)))), "None is no value"),
    "a format nobody knows": (lambda: declare(model(x=(str, Field(format="mail")))), "no format 'mail'"),
    "a column of Python objects": (lambda: declare(model(x=(object, Field()))), "object of Python"),
    "a column of mappings": (lambda: declare(model(x=(dict, Field()))), "column 'x': has no type that a table stores"),
    "a list of nobody knows what": (lambda: declare(model(x=(pl.List, Field()))), "column 'x': has no type"),
    "a decimal without places": (lambda: declare(model(x=(pl.Decimal, Field()))), "Annotated[pl.Decimal, 10, 2]"),
    "a bound on a struct": (
        lambda: declare(model(x=(Annotated[pl.Struct, {"a": pl.Int64}], Field(ge=3)))),
        "judges one value",
    ),
    "a list of values for lists": (
        lambda: declare(model(x=(Annotated[pl.List, pl.Int64], Field(isin=[1])))),
        "judges one value",
    ),
    "names that differ in case": (lambda: declare(model(x=(int, Field(alias="ID")))), "columns id, ID"),
    "a name that cannot be quoted": (lambda: declare(model(x=(int, Field(alias='a"b')))), "cannot quote"),
    "a partition that may be null": (
        lambda: declare(model(at=(pl.Date, Field(nullable=True))), partitions=monthly("2024-01", on="at")),
        "a null lies in no partition",
    ),
    "a volume that is a text": (lambda: declare(rules=[volume(at_least="3")]), "at_least='3', which is no number"),
    "a column that is a number": (lambda: declare(rules=[complete(5, at_least=0.3)]), "column 5"),
    "rows dropped without a word": (lambda: declare(Dropping), "drop_invalid_rows"),
    "a word boundary": (lambda: declare(model(x=(str, Field(str_matches=r"\bx")))), r"\b does not mean the same"),
    "nothing that makes it": (lambda: declare(source=None, store=Delta()), "no transform makes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_declaration_is_refused_with_culprit_and_fix(case: str) -> None:
    wrong, told = WRONG[case]
    problems = refused(wrong())
    assert any(told in str(problem) for problem in problems), problems
    assert all(problem.fix.endswith(".") for problem in problems)


def test_all_problems_of_all_datasets_are_told_together() -> None:
    first = declare(name="shop/a", owner="bob", rules=[complete("nope", at_least=0.5)])
    second = declare(model(x=(int, Field(gee=3))), name="shop/b", version="1")
    assert {(problem.dataset, problem.culprit) for problem in refused(first, second)} == {
        ("shop/a", "owner 'bob'"),
        ("shop/a", "rule 'nope_complete': column 'nope'"),
        ("shop/b", "version '1'"),
        ("shop/b", "column 'x'"),
    }


def test_a_declaration_that_cannot_be_read_does_not_hide_what_others_share() -> None:
    problems = refused(
        declare(freshness=24), *(declare(name=name, source=Files("x-*")) for name in ("shop/a", "shop/b"))
    )
    assert [problem.dataset for problem in problems] == ["shop/things", "shop/a", "shop/b"]


def test_two_owners_of_one_name_are_both_named() -> None:
    (problem,) = refused(declare(owner="team:a"), declare(owner="team:b"))
    assert "declared 2 times, by team:a, team:b" in problem.message


def test_a_reference_to_a_missing_column_offers_those_there_are() -> None:
    problems = refused(declare(), declare(model(x=(int, Field(references="shop/things.nope"))), name="shop/b"))
    assert [problem.fix for problem in problems] == ["use one of id, name, day."]


def test_a_reference_between_types_that_never_match_is_refused() -> None:
    problems = refused(declare(), declare(model(x=(str, Field(references="shop/things.id"))), name="shop/b"))
    assert "compares String with shop/things.id, which is Int64" in problems[0].message


def test_a_transform_whose_parameter_is_no_dataset_is_refused() -> None:
    made = declare(source=None, store=Delta())

    @made.transform
    def build(nothing: pl.LazyFrame) -> pl.LazyFrame:
        return nothing

    with pytest.raises(ContractError, match="stands for 'shop/nothing', which is not declared"):
        catalog_of([made], [build])


def test_datasets_that_need_each_other_are_refused_as_a_circle() -> None:
    first, second = (declare(name=f"shop/{name}", source=None, store=Delta()) for name in ("a", "b"))

    @first.transform
    def build_a(b: pl.LazyFrame) -> pl.LazyFrame:
        return b

    @second.transform
    def build_b(a: pl.LazyFrame) -> pl.LazyFrame:
        return a

    with pytest.raises(ContractError, match="form a circle through shop/a, shop/b"):
        catalog_of([first, second], [build_a, build_b])


def test_a_transform_is_called_as_the_plain_function_it_is() -> None:
    made = declare(source=None, store=Delta())

    @made.transform
    def build(a: int, b: int) -> int:
        return a + b

    assert build(1, b=2) == 3


def test_a_column_may_have_any_name_and_its_rules_have_names_for_checks() -> None:
    columns = {"a": (int, Field(alias="Order ID", gt=0)), "b": (str, Field(alias="größe", unique=True))}
    catalog = catalog_of([declare(model(**columns), rules=[complete("größe", at_least=0.5)])])
    ids = [rule.id for rule in rules_of(catalog["shop/things"])]
    assert {"Order_ID_gt", "Order_ID_not_null", "gr__e_unique", "gr__e_complete"} <= set(ids)


def test_readers_that_declared_datasets_have_must_be_within_reach() -> None:
    old = aging(Retention(read_back=within(days=90)), rules=[volume(at_least=1, over="table", severity="warn")])
    referring = declare(name="shop/uses", rules=[references(("id",), "shop/things", to=("id",))])
    derived = declare(name="shop/sums", source=None, store=Delta())

    @derived.transform
    def build(things: pl.LazyFrame) -> pl.LazyFrame:
        return things

    with pytest.raises(ContractError) as caught:
        catalog_of([old, referring, derived], [build])
    told = [problem.message for problem in caught.value.problems if "read_back" in problem.culprit]
    assert [each.split(": ", 1)[1] for each in told] == [
        "rule 'id_references' of shop/uses looks into it.",
        "its rule 'volume' judges the whole table.",
        "shop/sums is made from all of it.",
    ]


def test_a_transform_of_the_same_months_looks_back_no_further_than_one() -> None:
    old = aging(Retention(read_back=within(days=90)))
    derived = declare(name="shop/sums", source=None, store=Delta(), partitions=monthly("2024-01", on="day"))

    @derived.transform
    def build(things: pl.LazyFrame) -> pl.LazyFrame:
        return things

    catalog = catalog_of([old, derived], [build])
    assert list(readers_of_all(old, catalog.datasets, catalog.transforms.values())) == []
    assert list(ingest_reads_all(old)) == ["its ingest looks for the rows that an earlier version of a file brought"]
    assert list(ingest_reads_all(derived)) == []
    alone = declare(model(name=(str, Field(unique=True))), source=None, store=Delta(), partitions=derived.partitions)
    assert list(ingest_reads_all(alone)) == ["its rule 'name_unique' looks for equal values in every partition"]


def test_two_datasets_may_not_take_the_same_files() -> None:
    problems = refused(*(declare(name=name, source=Files("*.csv")) for name in ("shop/a", "shop/b")))
    assert [problem.message for problem in problems] == ["is that of shop/b too.", "is that of shop/a too."]


def test_a_declaration_that_cannot_be_read_hides_no_other() -> None:
    problems = refused(declare(name="shop/a", store="delta"), declare(name="shop/b", owner="bob"))
    assert {(problem.dataset, problem.culprit) for problem in problems} == {
        ("shop/a", "store='delta'"), ("shop/b", "owner 'bob'"),
    }  # fmt: skip
