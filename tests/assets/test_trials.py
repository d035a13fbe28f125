"""Faults, edge cases and mutants on small catalogs: what is noticed, what slips through, what survives."""

import os
from dataclasses import replace

import polars as pl
import pytest

from platform_assets.entrypoints.cli import main
from platform_assets.entrypoints.locations import open_location
from platform_assets.ingest import table_spec
from platform_assets.operations.errors import RequestError
from platform_assets.operations.incremental import Delivery, compare_delivery, try_deliveries, untried
from platform_assets.operations.mutation.expected_rows import ExpectedRows
from platform_assets.operations.mutation.mutants import MutationTrial, by_judge, score
from platform_assets.operations.mutation.sql_changes import sql_changes
from platform_assets.operations.pipeline_test import open_trial
from platform_assets.operations.stored_rows import DataManagement, StoredRows
from platform_assets.operations.stored_rows_document import read_test_data
from platform_assets.operations.trials import Trial, try_edge_cases, try_faults
from platform_core.contracts import (
    Catalog,
    DataFrameModel,
    Dataset,
    Delta,
    Field,
    Files,
    UtcTimestamp,
    balance,
    complete,
)
from platform_resources.settings import Settings
from platform_resources.storage import Lake
from tests.fault_proxy import NEVER_WRONG, fault_proxy
from tests.servers import s3_server


class Sales(DataFrameModel):
    """One row per sale."""

    sale: int = Field(ge=1, description="Number")
    price: float = Field(ge=0, le=100, description="Price")
    buyer: str = Field(nullable=True, pii="email", format="email", description="Who")


class Totals(DataFrameModel):
    """One row."""

    total: float = Field(ge=0, le=100_000, description="All prices together")
    most: float = Field(ge=0, le=100, description="The highest")


sales = Dataset("t/sales", Sales, owner="team:t", version="1.0.0", key=("sale",),
                rules=[complete("buyer", at_least=0.5)])  # fmt: skip
totals = Dataset("t/totals", Totals, owner="team:t", version="1.0.0")


def build(sales: pl.LazyFrame) -> pl.LazyFrame:
    return sales.filter(pl.col("price") > 1).select(total=pl.col("price").sum() * 1.0, most=pl.col("price").max())


transform = totals.transform(build)
CATALOG = Catalog({"t/sales": sales, "t/totals": totals}, {"t/totals": transform})


@pytest.fixture(scope="module")
def trial():
    return Trial(CATALOG, rows=60, seed=1)


def test_each_fault_is_noticed_by_its_rule_and_warnings_slip_through_by_name(trial):
    findings = {finding.what.split(" ")[0]: finding for finding in try_faults(trial)}
    assert all(finding.stands for finding in findings.values())
    assert findings["price_ge"].noticed == ("t/sales: price_ge",)
    assert findings["buyer_complete"].slipped == ("t/totals",)


def test_an_edge_case_that_a_transform_cannot_bear_is_told(trial):
    wrong = {finding.what: finding for finding in try_edge_cases(trial) if not finding.stands}
    assert wrong == {}
    assert {"no rows", "a key twice"} <= {finding.what for finding in try_edge_cases(trial)}

    def fragile(sales: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({"total": [1.0], "most": [float(sales["price"].to_list()[0])]})

    broken = Trial(Catalog(CATALOG.datasets, {"t/totals": totals.transform(fragile)}), rows=60, seed=1)
    wrong = {finding.what: finding for finding in try_edge_cases(broken) if not finding.stands}
    assert wrong["no rows"].noticed == ("t/totals: IndexError: list index out of range",)


def test_changes_to_a_transform_survive_until_rows_are_approved(tmp_path):
    expected = ExpectedRows(tmp_path)
    before = MutationTrial(CATALOG, rows=60, seed=1, expected=expected)
    found = {(mutant.before, mutant.after): mutant for mutant in before.mutants({"t/totals"})}
    assert found["pl.col('price').sum()", "pl.col('price').mean()"].outcome == "survived"
    assert score(list(found.values())) < 1
    assert [path.name for path in before.approve({"t/totals"})] == ["sales.parquet", "totals.csv"]
    after = MutationTrial(CATALOG, rows=5, seed=9, expected=expected)
    assert [(each.missing, each.added) for each in after.differences({"t/totals"})] == [((), ())]
    outcomes = {(mutant.before, mutant.after): mutant.outcome for mutant in after.mutants({"t/totals"})}
    assert outcomes["pl.col('price').sum()", "pl.col('price').mean()"] == "noticed"
    assert outcomes["pl.col('price') > 1", "pl.col('price') >= 1"] == "noticed"
    (tmp_path / "t" / "totals.csv").write_text("total,most\n1,2\n")
    assert next(iter(after.differences({"t/totals"}))).missing == ("1,2",)


def test_a_balance_notices_what_no_rule_on_rows_does_and_judges_are_told_apart(tmp_path):
    kept = balance("prices_are_kept", "t/sales", own=pl.col("total").sum(), tolerance=1e-6,
                   theirs=pl.col("price").filter(pl.col("price") > 1).sum())  # fmt: skip
    balanced = replace(totals, rules=[kept])
    catalog = Catalog({"t/sales": sales, "t/totals": balanced}, {"t/totals": balanced.transform(build)})
    trial = MutationTrial(catalog, rows=60, seed=1, expected=ExpectedRows(tmp_path))
    mutants = {mutant.after: mutant for mutant in trial.mutants({"t/totals"})}
    assert mutants["pl.col('price').mean()"].judges == ("balances",)
    assert mutants["pl.col('price').min()"].outcome == "survived"
    noticed = by_judge(list(mutants.values()))
    assert noticed["balances"][1] > 0
    assert noticed["approved rows"] == (0, 0)


def test_a_query_is_changed_in_one_place_at_a_time():
    sql = "select a, count(*) filter (b > 3) as n from t left join u using (a, c) where d is null group by a"
    changed = {change.sql for change in sql_changes(sql)}
    assert {"SELECT a, COUNT(*) FILTER(WHERE b >= 3) AS n FROM t LEFT JOIN u USING (a, c) WHERE d IS NULL GROUP BY a",
            "SELECT a, COUNT(*) FILTER(WHERE b > 4) AS n FROM t LEFT JOIN u USING (a, c) WHERE d IS NULL GROUP BY a",
            "SELECT a, COUNT(*) AS n FROM t LEFT JOIN u USING (a, c) WHERE d IS NULL GROUP BY a",
            "SELECT a, COUNT(*) FILTER(WHERE b > 3) AS n FROM t JOIN u USING (a, c) WHERE d IS NULL GROUP BY a",
            "SELECT a, COUNT(*) FILTER(WHERE b > 3) AS n FROM t LEFT JOIN u USING (c) WHERE d IS NULL GROUP BY a",
            "SELECT a, COUNT(*) FILTER(WHERE b > 3) AS n FROM t LEFT JOIN u USING (a, c) GROUP BY a",
            } <= changed  # fmt: skip
    with pytest.raises(ValueError, match="Expected"):
        list(sql_changes("select from (("))


MERGED = Dataset("t/merged", Sales, owner="team:t", version="1.0.0", key=("sale",), source=Files("m-*.csv"),
                 store=Delta(mode="merge"))  # fmt: skip


def test_rows_in_random_pieces_make_the_table_of_a_rebuild():
    catalog = Catalog({"t/merged": MERGED, "t/sales": sales}, {})
    findings = list(try_deliveries(Trial(catalog, rows=40, seed=3), deliveries=4))
    assert [finding.dataset for finding in findings] == ["t/merged"] * 4
    assert [finding.noticed for finding in findings if not finding.stands] == []
    assert untried(catalog) == {"t/sales": "made from other datasets"}


class Told(DataFrameModel):
    """One row per sale, as it was last told."""

    sale: int = Field(ge=1)
    price: float = Field(ge=0, le=100)
    told_at: UtcTimestamp
    note: str = Field(nullable=True)


NEWEST = Dataset("t/newest", Told, owner="team:t", version="1.0.0", key=("sale",), newest="told_at",
                 source=Files("n-*.csv"), store=Delta(mode="merge"))  # fmt: skip


def test_of_rows_told_in_any_order_the_newest_stand_also_where_older_files_lack_a_column():
    whole = Trial(Catalog({"t/newest": NEWEST}, {}), rows=60, seed=3)
    narrow = replace(NEWEST, store=Delta(mode="merge", evolution="add"),
                     source=Files("n-*.csv", missing_columns="null"))  # fmt: skip
    evolved = Trial(Catalog({"t/newest": narrow}, {}), rows=60, seed=4)
    findings = [*try_deliveries(whole, deliveries=6), *try_deliveries(evolved, deliveries=6)]
    assert [finding.noticed for finding in findings if not finding.stands] == []
    assert any("0 rows revised" not in finding.what for finding in findings[:6])
    assert any("without note" in finding.what for finding in findings[6:])


def test_columns_that_files_add_and_a_contract_that_grows_between_runs_make_the_table_of_a_rebuild():
    growing = replace(NEWEST, store=Delta(mode="merge", evolution="add"),
                      source=Files("n-*.csv", missing_columns="null", extra_columns="add"))  # fmt: skip
    findings = list(try_deliveries(Trial(Catalog({"t/newest": growing}, {}), rows=40, seed=5), deliveries=7))
    assert [(finding.what, finding.noticed) for finding in findings if not finding.stands] == []
    told = " ".join(finding.what for finding in findings)
    assert all(word in told for word in ("later ones with added_", "a contract without note", "with narrower price"))


def test_a_delivery_that_lacks_rows_is_told_beside_its_rebuild():
    rows = Trial(Catalog({"t/merged": MERGED}, {}), rows=10, seed=3).tables["t/merged"]
    lost = Delivery({"a": rows.head(6), "b": rows.tail(4)}, [["a"], ["a"]], revised=0)
    assert compare_delivery(MERGED, lost, {}).startswith("beside one run over all files, 4 rows lack, 0 are others")


@pytest.mark.lane
def test_two_hundred_deliveries_of_the_example_graph_make_the_table_of_a_rebuild():
    trial = open_trial(open_location(None), ["*/*"], rows=200, seed=5)
    findings = list(try_deliveries(trial, deliveries=23))
    assert len(findings) > 200
    assert [finding for finding in findings if not finding.stands] == []


def test_real_rows_are_masked_and_what_lacks_is_generated_or_fails(tmp_path):
    settings = Settings(state=str(tmp_path), lake=str(tmp_path / "lake"), landing=str(tmp_path))
    rows = pl.DataFrame({"sale": [1, 2, 3], "price": [1.0, 2.0, 3.0], "buyer": ["real@x.de", None, "real@x.de"]})
    Lake(settings).write(table_spec(sales), rows)
    generated = Trial(CATALOG, rows=20, seed=1).tables
    stored = StoredRows([str(tmp_path / "nowhere"), settings.tables_root], settings)
    taken = stored.tables(Catalog({"t/sales": sales}, {}), generated)["t/sales"]
    assert taken.drop("buyer").equals(rows.drop("buyer"))
    assert taken["buyer"][0] == taken["buyer"][2] != "real@x.de"
    assert taken["buyer"][1] is None
    assert "3 rows of" in stored.notes["t/sales"]
    nowhere = StoredRows([str(tmp_path / "no")], settings, management=DataManagement(fallback=("fail",)))
    with pytest.raises(RequestError, match="allow --fallback synthetic"):
        nowhere.tables(Catalog({"t/sales": sales}, {}), generated)


@pytest.fixture
def s3():
    with s3_server() as server:
        yield server


def test_rows_of_s3_are_kept_masked_and_stand_in_by_the_order_given(s3, tmp_path):
    variables = {**s3.environment, "PLATFORM_STATE": str(tmp_path), "PLATFORM_LAKE": f"s3://{s3.bucket}/lake"}
    settings = Settings.from_environment(variables)
    rows = pl.DataFrame({"sale": [1, 2], "price": [1.0, 2000.0], "buyer": ["real@x.de", None]})
    Lake(settings).write(table_spec(sales), rows)
    document = tmp_path / "data.yaml"
    document.write_text(f"""
s3_data: {{bucket: {s3.bucket}, prefix: lake/development, steps: [{{name: t/sales, output_path: t/sales/v1}}]}}
data_management: {{fallback: [cache, synthetic], cache_folder: {tmp_path / "cache"}}}
""")
    catalog, generated = Catalog({"t/sales": sales}, {}), Trial(CATALOG, rows=20, seed=1).tables
    taken = read_test_data(document, settings)
    assert taken.tables(catalog, generated)["t/sales"]["price"].to_list() == [1.0, 2000.0]
    assert taken.fallen == set()
    kept = pl.read_parquet(tmp_path / "cache" / "t" / "sales.parquet")
    assert "real@x.de" not in kept["buyer"].to_list()
    with fault_proxy(s3.endpoint, NEVER_WRONG, rate=0.3, seed=2) as proxy:
        poor = replace(settings, s3=replace(settings.s3, endpoint_url=proxy.endpoint))
        assert read_test_data(document, poor).tables(catalog, generated)["t/sales"]["price"].to_list() == [1.0, 2000.0]
        assert proxy.spoilt
    silent = replace(settings, s3=replace(settings.s3, endpoint_url="http://127.0.0.1:9", attempts=1))
    fallen = read_test_data(document, silent)
    assert fallen.tables(catalog, generated)["t/sales"].equals(kept)
    assert fallen.fallen == {"t/sales"}
    file = tmp_path / "cache" / "t" / "sales.parquet"
    for spoil, reason in ((lambda: file.write_bytes(file.read_bytes()[:99]), "cannot be read"),
                          (lambda: os.utime(file, (0, 0)), "hours old")):  # fmt: skip
        kept.write_parquet(file)
        spoil()
        spoilt = read_test_data(document, silent)
        assert spoilt.tables(catalog, generated) == {}
        assert reason in spoilt.notes["t/sales"]
        assert not file.exists()
    kept.with_columns(buyer=pl.lit("real@x.de")).write_parquet(file)
    again = read_test_data(document, silent).tables(catalog, generated)["t/sales"]
    assert "real@x.de" not in again["buyer"].to_list(), "what was kept before a column was marked is masked, too"
    back = replace(DataManagement(), fallback=(s3.endpoint, "fail"))
    assert replace(fallen, management=back).tables(catalog, generated)["t/sales"].height == 2
    strict = replace(taken, management=DataManagement(fallback=("synthetic",), quality_threshold=0.9))
    assert strict.tables(catalog, generated) == {}
    assert "50.0% of its rows pass, below 90.0%" in strict.notes["t/sales"]


def test_the_command_writes_a_page(tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["test", "commerce/daily_revenue", "--rows", "50", "--mutants", "--html", str(page)]) == 0
    assert "Changes to transforms" in page.read_text()
    assert "noticed by rules and tests" in capsys.readouterr().out
