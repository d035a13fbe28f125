"""Contracts go out as ODCS and come back without a difference, and files of others keep what is theirs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from platform_assets.discovery import discover
from platform_core.contracts import (
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Files,
    Quarantine,
    Sla,
    UtcTimestamp,
    check,
    complete,
    expression,
    measure,
    monthly,
    rules_of,
    unique,
    volume,
)
from platform_core.interchange.odcs import (
    ContractFileError,
    document_problems,
    from_odcs,
    merged,
    plain_document,
    to_odcs,
    updated,
)
from platform_core.interchange.python_code import dataset_code
from platform_core.interchange.values import NotPortable, plain, real
from platform_resources.documents import document_text, odcs_schema, read_document

SCHEMA = odcs_schema()
DATASETS = [
    *discover("platform_assets.domains").datasets.values(),
    *discover("tests.declared").datasets.values(),
]


def round_trip(dataset: Dataset) -> Dataset:
    document = json.loads(json.dumps(to_odcs(dataset)))
    assert document_problems(document, SCHEMA) == []
    back = from_odcs(document).dataset
    differing = [key for key, value in to_odcs(back).items() if document[key] != value]
    assert to_odcs(back) == document, differing
    return back


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_a_declared_dataset_comes_back_with_all_its_rules(dataset: Dataset) -> None:
    back = round_trip(dataset)
    mine = [rule for rule in rules_of(dataset) if rule.kind != "check"]
    assert list(rules_of(back)) == mine
    assert [rule.label for rule in rules_of(back)] == [rule.label for rule in mine]
    for name in ("name", "owner", "version", "key", "source", "partitions", "store", "quarantine", "freshness", "sla",
                 "retention", "schedule"):  # fmt: skip
        there, here = getattr(back, name), getattr(dataset, name)
        assert plain(there) == plain(here), name
    assert [(c.name, c.dtype, c.nullable, c.unique, c.unit, c.pii) for c in back.columns] == [
        (c.name, c.dtype, c.nullable, c.unique, c.unit, c.pii) for c in dataset.columns
    ]


TYPES = st.sampled_from([
    (int, st.fixed_dictionaries({}, optional={"ge": st.integers(-9, 9), "le": st.integers(10, 99)})),
    (float, st.fixed_dictionaries({}, optional={"gt": st.floats(-5, 5), "lt": st.integers(6, 9)})),
    (str, st.fixed_dictionaries({}, optional={
        "isin": st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True),
        "str_matches": st.just(r"^[a-z\"\\]+$"), "str_length": st.just({"min_value": 1, "max_value": 9})})),
    (UtcTimestamp, st.just({})), (pl.Date, st.just({})), (bool, st.just({})), (pl.Int32, st.just({})),
    (Annotated[pl.Decimal, 12, 2], st.just({})), (Annotated[pl.Enum, ["a", "b"]], st.just({})),
    (Annotated[pl.List, pl.List(pl.Int64)], st.just({})), (Annotated[pl.Struct, {"x": pl.String}], st.just({})),
    (Annotated[pl.Duration, "ms"], st.just({})),
])  # fmt: skip


@st.composite
def contracts(draw: st.DrawFn) -> Dataset:
    """A contract of any columns, rules, promises and severities."""
    names = draw(st.lists(st.text("abcxyzÄ _", min_size=1, max_size=6), min_size=1, max_size=5, unique=True))
    body: dict[str, Any] = {"__doc__": draw(st.text(max_size=20)), "__module__": __name__}
    annotations = {}
    for place, name in enumerate(names):
        kind, words = draw(TYPES)
        annotations[f"c{place}"] = kind
        body[f"c{place}"] = Field(
            nullable=draw(st.booleans()), unique=draw(st.booleans()), severity=draw(st.sampled_from(["error", "warn"])),
            unit=draw(st.sampled_from([None, "miles"])), pii=draw(st.sampled_from([None, "name"])), alias=name,
            description=draw(st.one_of(st.none(), st.text(max_size=10))), **draw(words),
        )  # fmt: skip
    rules = draw(st.lists(st.sampled_from([
        complete(names[0], at_least=0.95), volume(at_least=3), volume(at_least=1, at_most=9), unique(*names),
        expression("told", pl.col(names[0]).is_not_null(), severity="warn"),
        measure("share", pl.col(names[0]).is_null().mean(), at_most=0.5),
    ]), max_size=4, unique_by=lambda rule: rule.id))  # fmt: skip
    return Dataset(
        "some/rows", type("Rows", (DataFrameModel,), {**body, "__annotations__": annotations}), owner="team:a",
        version="1.2.3", key=draw(st.sampled_from([(), (names[0],)])), rules=rules, source=Files("rows-*.csv"),
        freshness=draw(st.one_of(st.none(), st.timedeltas(timedelta(seconds=1), timedelta(days=9)))),
        sla=draw(st.sampled_from([None, Sla(availability=0.999), Sla(throughput=5, latency=timedelta(hours=1))])),
        store=Delta(mode="append"), quarantine=draw(st.sampled_from([None, Quarantine()])),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(contracts())
def test_any_contract_comes_back(dataset: Dataset) -> None:
    assume(len({rule.id for rule in rules_of(dataset)}) == len(rules_of(dataset)))
    assert list(rules_of(round_trip(dataset))) == list(rules_of(dataset))


def planted(value: Any, draw: st.DrawFn) -> Any:
    """The document with keys and values of somebody else's in some of its mappings; what is ours alone stays."""
    if isinstance(value, list):
        return [planted(item, draw) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: item if key in ("customProperties", "implementation") else planted(item, draw)
        for key, item in value.items()
    }
    others = draw(st.dictionaries(st.sampled_from(["x-acme", "rating", "über uns", "a.b"]), OTHERS, max_size=2))
    return {**others, **kept} if draw(st.booleans()) else {**kept, **others}


OTHERS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("abÄ'\"#:-{}[] 0", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("xyz", min_size=1, max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=25, deadline=None)
@given(contracts(), st.data())
def test_keys_that_nobody_knows_stay_where_they_are(
    tmp_path_factory: Any, dataset: Dataset, data: st.DataObject
) -> None:
    assume(len({rule.id for rule in rules_of(dataset)}) == len(rules_of(dataset)))
    path = tmp_path_factory.mktemp("odcs") / "contract.yaml"
    path.write_text(document_text(planted(plain_document(to_odcs(dataset)), data.draw)))
    document = read_document(path)
    text = document_text(document)
    back = from_odcs(document).dataset
    assert document_text(updated(document, back)) == text
    newer = document_text(updated(document, replace(back, version="9.8.7"))).splitlines()
    assert [line for line in newer if line not in text.splitlines()] == ["version: 9.8.7"]
    assert len(newer) == len(text.splitlines())
    assert list(rules_of(back)) == list(rules_of(dataset))


def properties(dataset: Dataset) -> Iterator[dict[str, Any]]:
    yield from to_odcs(dataset)["schema"][0]["properties"]


def test_a_warning_is_never_said_in_words_by_which_others_refuse_rows() -> None:
    class Soft(DataFrameModel):
        x: int = Field(nullable=True, unique=True, ge=1, le=5, severity="warn")
        y: str = Field(nullable=True, isin=["a"], severity="warn")

    for each in properties(Dataset("a/soft", Soft, owner="team:a", version="1.0.0", rules=[complete("x", at_least=1)])):
        assert not {"required", "unique", "logicalTypeOptions", "enum"} & each.keys()
        assert {rule["severity"] for rule in each["quality"]} == {"warning"}


def test_a_check_in_python_is_named_as_text_and_left_behind() -> None:
    class Checked(DataFrameModel):
        x: int

        @check("x", name="even")
        def even(cls, x: Any) -> Any:  # noqa: N805
            return x

    document = to_odcs(Dataset("a/checked", Checked, owner="team:a", version="1.0.0"))
    told = document["schema"][0]["properties"][0]["quality"][0]
    assert (told["type"], told["name"]) == ("text", "x_even")
    assert from_odcs(document).left_out == ("x: quality x_even",)


FOREIGN = """
# Bought from Acme; do not touch.
apiVersion: v3.0.2
kind: DataContract
id: 53581432-6c55-4ba2-a65f-72344a91553a
version: 1.1.0
status: active
domain: Seller Payments
dataProduct: payments   # of the seller
team:
  - username: ceastwood
    role: Data Scientist
  - username: mhopper@example.com
    role: Owner
price: {priceAmount: 9.95, priceCurrency: USD}
slaProperties:
  - {property: latency, value: 4, unit: d}
  - {property: endOfSupport, value: 2030-05-12T04:20:00+00:00}
schema:
  - name: "Tbl Payments"
    properties:
      - name: id  # the number
        logicalType: integer
        required: true
        unique: true
        primaryKey: true
        primaryKeyPosition: 1
        businessName: number
        logicalTypeOptions: {minimum: 1}
      - name: country
        logicalType: string
        logicalTypeOptions: {pattern: "^[A-Z]{2}$"}
        quality:
          - {rule: nullValues, mustBe: 0, severity: warning}
          - {type: sql, query: "select 1", mustBe: 1}
      - {name: rows, logicalType: array, items: {logicalType: object, properties: [{name: x, logicalType: number}]}}
    quality:
      - {type: library, metric: rowCount, mustBeGreaterThan: 10}
"""


@pytest.fixture
def foreign(tmp_path: Any) -> Any:
    path = tmp_path / "foreign.yaml"
    path.write_text(FOREIGN)
    return read_document(path)


def test_a_contract_of_others_becomes_a_declaration_and_names_what_has_no_counterpart(foreign: Any) -> None:
    assert document_problems(foreign, SCHEMA) == []
    found = from_odcs(foreign)
    dataset = found.dataset
    assert (dataset.name, dataset.owner, dataset.key) == (
        "seller_payments/tbl_payments",
        "mhopper@example.com",
        ("id",),
    )
    assert [(column.name, str(column.dtype), column.nullable) for column in dataset.columns] == [
        ("id", "Int64", False), ("country", "String", True), ("rows", "List(Struct({'x': Float64}))", True),
    ]  # fmt: skip
    assert {rule.id for rule in rules_of(dataset)} >= {
        "id_ge",
        "id_unique",
        "country_matches",
        "country_complete",
        "volume",
    }
    assert found.left_out == ("SLA endofsupport", "country: quality sql")
    assert dataset.sla == Sla(latency=timedelta(days=4))


def test_what_is_not_ours_stays_in_the_file_with_every_comment(foreign: Any) -> None:
    before = plain_document(foreign)
    newer = to_odcs(from_odcs(foreign).dataset) | {"id": before["id"], "domain": before["domain"], "name": "payments"}
    text = document_text(merged(foreign, newer))
    for kept in ("# Bought from Acme; do not touch.", "# of the seller", "# the number", "businessName: number",
                 "priceAmount: 9.95", "select 1", "endOfSupport", "ceastwood"):  # fmt: skip
        assert kept in text
    assert document_text(merged(foreign, newer)) == text, "merging twice changes nothing"
    assert document_problems(plain_document(foreign), SCHEMA) == []


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"apiVersion": "v2.2.0"}, "apiVersion 'v2.2.0' is not read"),
        ([], "no mapping"),
        ({"apiVersion": "v3.2.0", "kind": "DataContract", "id": "x"}, "'version' is a required property"),
        ({"apiVersion": "v3.2.0", "kind": "DataContract", "id": "x", "version": "1", "status": "x", "odd": 1}, "odd"),
    ],
)
def test_a_file_that_is_no_contract_is_refused_with_the_place(document: Any, problem: str) -> None:
    assert problem in " ".join(document_problems(document, SCHEMA))


def test_an_expression_with_a_function_travels_neither_out_nor_in() -> None:
    bad = pl.col("x").map_elements(lambda value: value, return_dtype=pl.Int64)
    with pytest.raises((NotPortable, pl.exceptions.PolarsError)):
        plain(bad)
    smuggled = {"AnonymousFunction": {"input": [{"Column": "x"}], "function": [1, 2, 3], "options": {}}}
    with pytest.raises(NotPortable, match="Python function"):
        real({"$expression": json.dumps(smuggled)})


def test_a_record_that_is_not_known_is_refused_by_name() -> None:
    document = to_odcs(DATASETS[0])
    document["customProperties"][0]["value"]["store"] = {"$record": "Popen", "args": ["true"]}
    with pytest.raises(ContractFileError, match="there is no record 'Popen'"):
        from_odcs(document)


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_the_code_made_of_a_contract_declares_the_same(dataset: Dataset) -> None:
    names: dict[str, Any] = {}
    exec(dataset_code(from_odcs(to_odcs(dataset)).dataset), names)  # noqa: S102 - that the code runs is what is tested
    assert to_odcs(names[dataset.title]) == to_odcs(from_odcs(to_odcs(dataset)).dataset)


def test_partitions_and_names_that_need_quoting_come_back() -> None:
    class Odd(DataFrameModel):
        at: UtcTimestamp
        odd: str = Field(alias='a "quoted" Ä', nullable=True)

    odd = Dataset("a/odd", Odd, owner="ada@example.com", version="1.0.0", partitions=monthly("2024-01", on="at"))
    assert round_trip(odd).partitions == odd.partitions
