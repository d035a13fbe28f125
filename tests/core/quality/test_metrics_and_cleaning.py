"""Metrics, score, promises, backtests, cleaning and suites say what is right on frames that fit in the head."""

import json
import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from platform_core.contracts import DataFrameModel, Dataset, Field, UtcTimestamp, complete, monthly, rules_of, volume
from platform_core.interchange.expectations import from_suite, to_suite
from platform_core.quality import judge
from platform_core.quality.backtest import backtest
from platform_core.quality.clean import Cleaned
from platform_core.quality.metrics import METRICS, JudgedRule, metrics_of, score, threshold_of, with_expectations
from platform_core.quality.promises import freshness_promise, latency_promise

NOW = datetime(2024, 3, 1, tzinfo=UTC)


class Sold(DataFrameModel):
    id: int = Field(ge=1)
    price: float = Field(nullable=True)
    mail: str = Field(nullable=True, pii="email")
    at: UtcTimestamp


SOLD = Dataset(
    "shop/sold",
    Sold,
    owner="team:shop",
    version="1.0.0",
    key=("id",),
    partitions=monthly("2024-01", on="at"),
    rules=[complete("price", at_least=0.5), volume(at_least=3)],
)


def sold(*prices: float | None, month: int = 1) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": range(1, len(prices) + 1), "price": prices, "mail": ["canary@leak.example"] * len(prices),
         "at": [datetime(2024, month, 2, tzinfo=UTC)] * len(prices)},
        schema={column.name: column.dtype for column in SOLD.columns},
    )  # fmt: skip


def test_a_run_measures_rates_by_partition_and_every_rule_and_no_value_of_personal_data() -> None:
    rows = pl.concat([sold(1, 2, 3, 2, None, 100), sold(5, month=2)])
    judged = judge(rows, SOLD, {})
    stored = rows.with_columns(SOLD.partitions.key())  # type: ignore[union-attr]  # it has some
    measured = metrics_of(SOLD, stored, judged.results, run_id="r", at=NOW)
    values = {(row["partition"], row["column"], row["metric"]): row["value"] for row in measured.to_dicts()}
    assert values["2024-01", "", "row_count"] == 6
    assert values["2024-01", "price", "null_rate"] == pytest.approx(1 / 6)
    assert values["2024-01", "price", "outlier_rate"] == pytest.approx(1 / 5)
    assert values["2024-02", "", "row_count"] == 1
    assert ("", "", "rule:id_ge") in values
    assert "canary" not in measured.write_csv()


def test_outliers_are_counted_beside_what_is_no_number_or_has_no_end() -> None:
    def rate(*prices: float | None) -> list[float]:
        measured = metrics_of(SOLD, sold(*prices).with_columns(SOLD.partitions.key()), [], run_id="r", at=NOW)  # type: ignore[union-attr]  # it has some
        return measured.filter(column="price", metric="outlier_rate")["value"].to_list()

    assert rate(1, 2, 3, 4, math.nan, None) == [pytest.approx(1 / 5)]
    assert rate(math.inf, math.inf, math.inf) == [0.0]
    assert rate(None, None) == rate(math.nan) == []


def test_a_score_is_the_mean_of_dimensions_and_a_warning_counts_half() -> None:
    found = score([
        JudgedRule(dimension="a", severity="error", kept=1.0), JudgedRule(dimension="a", severity="warn", kept=0.4),
        JudgedRule(dimension="b", severity="error", kept=0.5),
    ])  # fmt: skip
    assert found.dimensions == pytest.approx({"a": 80.0, "b": 50.0})
    assert found.total == pytest.approx(65.0)
    assert score([]).total is None


def test_freshness_is_the_share_of_the_window_and_the_burn_its_use_of_the_budget() -> None:
    day = timedelta(days=1)
    filled = [NOW - 10 * day, NOW - 8 * day, NOW - 6 * day]
    kept = freshness_promise(filled, 2 * day, NOW, 10 * day, target=0.5)
    assert (kept.measured, kept.burn, kept.kept) == (pytest.approx(0.6), pytest.approx(0.8), True)
    assert freshness_promise(filled, day, NOW, 10 * day, target=0.5).kept is False
    assert freshness_promise([], day, NOW, day, target=None).kept is None


def test_latency_is_the_99th_percentile_and_late_inputs_use_up_the_budget() -> None:
    second = timedelta(seconds=1)
    kept = latency_promise([second] * 199 + [9 * second], 2 * second, target=0.99)
    assert (kept.measured, kept.burn, kept.kept) == (1.0, pytest.approx(0.5), True)
    broken = latency_promise([second] * 95 + [9 * second] * 5, 2 * second, target=0.99)
    assert (broken.measured, broken.burn, broken.kept) == (9.0, pytest.approx(5), False)
    assert broken.share == pytest.approx(0.95)
    assert latency_promise([], second, target=None).kept is None


def test_a_miss_of_a_promise_without_a_budget_breaks_it_by_a_finite_number() -> None:
    second = timedelta(seconds=1)
    broken = latency_promise([second, 9 * second], 2 * second, target=1.0)
    assert broken.kept is False
    assert broken.burn is not None
    assert 1 < broken.burn < math.inf
    assert latency_promise([second], 2 * second, target=1.0).burn == 0


def test_expectations_are_learned_from_earlier_partitions_and_not_from_marked_ones() -> None:
    rows = [(NOW, "r", f"2024-{month:02d}", "price", "null_rate", 0.5 if month == 7 else 0.1) for month in range(1, 9)]
    measured = pl.DataFrame(rows, schema=METRICS, orient="row")
    bands = with_expectations(measured, marked=("2024-07",))
    assert bands[:5] == [None] * 5
    assert bands[6] == bands[7] == pytest.approx((0.09, 0.11))
    assert threshold_of(SOLD, "price", "null_rate") == 0.5
    assert threshold_of(SOLD, "mail", "null_rate") == 0.05


def test_a_backtest_tells_when_a_rule_would_have_fired_and_what_it_would_have_set_aside() -> None:
    frames = [("jan", sold(1, 2, 3)), ("feb", sold(1)), ("mar", sold(None, None, 1, 1))]
    by_volume = list(backtest(volume(at_least=3), SOLD, frames, {}))
    assert [(each.label, each.rows, each.fired, each.value) for each in by_volume] == [
        ("jan", 3, False, 3), ("feb", 1, True, 1), ("mar", 4, False, 4),
    ]  # fmt: skip
    rule = next(rule for rule in rules_of(SOLD) if rule.id == "id_ge")
    bad = sold(1, 2).with_columns(id=pl.Series([0, 5]))
    assert [(each.failed, each.quarantined) for each in backtest(rule, SOLD, [("x", bad)], {})] == [(1, 1)]


def test_cleaning_counts_what_it_changed_and_leaves_its_input() -> None:
    frame = pl.DataFrame({
        "k": [1, 1, 2, 3, 4, 5], "n": [10, 10, None, 12, 11, 900], "f": [1.0, 1.0, float("nan"), 3.0, 3.0, 3.0],
        "mail": [" Ada@X.org", " Ada@X.org", "no", "b@y.de", None, "c@z.io"],
        "day": ["2024-01-02", "2024-01-02", "03/04/2024", "?", None, "2024-05-06"],
    })  # fmt: skip
    cleaned = (
        Cleaned(frame).without_duplicates().without_outliers("n").imputed("n", "median").imputed("f", "mode")
        .with_email("mail").with_dates("day", ["%Y-%m-%d", "%d/%m/%Y"])
    )  # fmt: skip
    assert dict(cleaned.changes) == {
        "duplicates dropped": 1, "n outliers nulled": 1, "n imputed by median": 2, "f imputed by mode": 1,
        "mail e-mail addresses normalised": 2, "day dates unreadable": 1,
    }  # fmt: skip
    assert cleaned.frame["n"].to_list() == [10, 11, 12, 11, 11]
    assert cleaned.frame["mail"].to_list() == ["ada@x.org", None, "b@y.de", None, "c@z.io"]
    assert str(cleaned.frame["day"][1]) == "2024-04-03"
    assert frame.height == 6


@pytest.mark.parametrize("how", ["mean", "median", "mode", "forward"])
def test_imputing_a_column_without_a_value_changes_nothing(how: str) -> None:
    frame = pl.DataFrame({"x": [None, None]}, schema={"x": pl.Int64})
    assert Cleaned(frame).imputed("x", how).frame.equals(frame)  # type: ignore[arg-type]  # one of four words


SUITE = {
    "name": "sold",
    "expectations": [
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "price", "mostly": 0.9},
         "severity": "warning"},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "id", "min_value": 1, "strict_max": True,
                                                                  "max_value": 9}},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "mail", "regex": "@"}},
        {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 2}},
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "price", "max_value": 3}},
        {"type": "expect_column_kl_divergence_to_be_less_than", "kwargs": {"column": "price"}},
    ],
}  # fmt: skip


def test_a_suite_becomes_rules_that_judge_alike_and_names_what_it_left_out() -> None:
    imported = from_suite(SUITE)
    reason = "no rule compares distributions; see platform incidents"
    assert imported.left_out == [f"expect_column_kl_divergence_to_be_less_than price: {reason}"]
    dataset = Dataset("shop/sold", Sold, owner="team:shop", version="1.0.0", rules=imported.rules)
    red = {result.rule.id for result in judge(sold(1, None, 9), dataset, {}).results if not result.passed}
    assert red == set(), "rules over the table are judged once it is written"
    bad = sold(1, 2).with_columns(id=pl.Series([1, 9]), mail=pl.Series(["x", None]))
    red = {result.rule.id for result in judge(bad, dataset, {}).results if not result.passed}
    assert red == {"id_between", "mail_regex"}


def test_rules_go_out_as_a_suite_with_their_severities() -> None:
    suite, left_out = to_suite(SOLD)
    kinds = {each["meta"]["platform_rule"]: (each["type"], each["severity"]) for each in suite["expectations"]}
    assert kinds["price_complete"] == ("expect_column_values_to_not_be_null", "warning")
    assert kinds["id_ge"] == ("expect_column_values_to_be_between", "critical")
    assert left_out == ["partition"]
    (named,) = from_suite(json.loads(json.dumps(suite))).left_out
    assert named == "expect_table_columns_to_match_ordered_list: the columns of the declaration say it"


def test_rows_with_a_null_in_a_compound_key_are_compared_as_great_expectations_does() -> None:
    terms = {"column_list": ["id", "mail"]}
    kind = "expect_compound_columns_to_be_unique"
    both = from_suite({"expectations": [{"type": kind, "kwargs": terms}]}).rules
    assert [rule.id for rule in both] == ["id_mail_unique", "id_mail_repeated_with_nulls"]
    frame = pl.DataFrame({"id": [1, 1, None, None], "mail": [None, None, None, None]})
    assert frame.select(both[1].aggregate).item() == 2  # type: ignore[attr-defined]  # it is a measure
    terms["ignore_row_if"] = "any_value_is_missing"
    assert len(from_suite({"expectations": [{"type": kind, "kwargs": terms}]}).rules) == 1
