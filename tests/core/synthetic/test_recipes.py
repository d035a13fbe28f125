"""Recipes: stable rows, distributions and correlations as asked, series with labels, refusals with every culprit."""

import numpy as np
import polars as pl
import pytest

from platform_core.errors import ContractError
from platform_core.synthetic.recipes import ImageRecipe, images, recipes_of, series, table_chunks, table_rows
from platform_core.synthetic.recipes.blocks import BLOCK

COLUMNS = [
    {"name": "id", "type": "integer", "unique": True},
    {"name": "price", "type": "float", "distribution": "lognormal", "mean": 3, "std": 0.5, "range": [0, 200]},
    {"name": "score", "type": "float", "distribution": "normal", "mean": 10, "std": 2, "null_rate": 0.1},
    {"name": "country", "type": "string", "values": {"DE": 6, "FR": 3, "US": 1}},
    {"name": "code", "type": "string", "pattern": "[A-Z]{3}-[0-9]{4}"},
    {"name": "at", "type": "timestamp", "range": ["2024-02-29", "2024-03-02"]},
]
SERIES = {
    "start_date": "2024-01-01", "end_date": "2024-02-01", "frequency": "1h",
    "metrics": [
        {"name": "load", "base": 100, "trend": {"kind": "linear", "slope": 2},
         "seasonality": [{"period": "daily", "amplitude": 10}], "noise": 1,
         "anomalies": [{"kind": "spike", "count": 4, "size": 10}, {"kind": "dropout", "count": 1, "length": 5}]},
        {"name": "heat", "noise": 1, "correlates": {"load": 0.9}},
    ],
}  # fmt: skip


def table(columns=COLUMNS, **words):
    return recipes_of({"synthetic_data": {"tabular": {"name": "orders", "schema": columns, **words}}}).tables[0]


@pytest.mark.parametrize("correlations", [[], [{"columns": ["price", "score"], "value": 0.8}]])
def test_a_row_is_the_same_whatever_else_is_asked_for(correlations):
    recipe = table(correlations=correlations)
    whole = pl.concat(table_chunks(recipe, 5, 3 * BLOCK))
    assert table_rows(recipe, 5, start=BLOCK - 7, rows=100).equals(whole.slice(BLOCK - 7, 100))
    assert table_rows(recipe, 5, start=0, rows=50).equals(whole.head(50))
    assert not table_rows(recipe, 6, start=0, rows=50).equals(whole.head(50))


def test_an_added_column_changes_no_other():
    more = [{"name": "new", "type": "boolean"}, *COLUMNS]
    both = table_rows(table(more), 5, start=0, rows=100)
    assert both.drop("new").equals(table_rows(table(), 5, start=0, rows=100))


def test_the_first_values_of_a_seed_never_move():
    first = table_rows(table(), 7, start=0, rows=2)
    assert first.select("country", "code").rows() == [("DE", "PCI-3701"), ("FR", "EMM-0236")]


def test_columns_are_as_the_recipe_says():
    rows = table_rows(table(correlations=[{"columns": ["price", "score"], "value": 0.8}]), 5, start=0, rows=40_000)
    assert rows["id"].to_list() == list(range(1, 40_001))
    assert rows["price"].log().std() == pytest.approx(0.5, abs=0.01)
    assert rows["score"].null_count() / rows.height == pytest.approx(0.1, abs=0.01)
    assert rows.filter(pl.col("country") == "DE").height / rows.height == pytest.approx(0.6, abs=0.01)
    assert rows["code"].str.contains("^[A-Z]{3}-[0-9]{4}$").all()
    assert rows["at"].dt.date().unique().sort().dt.to_string().to_list()[:2] == ["2024-02-29", "2024-03-01"]
    paired = rows.drop_nulls()
    assert paired.select(pl.corr("price", "score", method="spearman")).item() == pytest.approx(0.79, abs=0.03)


def test_a_series_has_trend_season_correlation_and_labelled_anomalies():
    recipe = recipes_of({"time_series": SERIES}).series[0]
    made = series(recipe, 3)
    assert made.height == 31 * 24
    labels = dict(made["load_anomaly"].drop_nulls().value_counts().iter_rows())
    assert labels == {"spike": 4, "dropout": 5}
    assert made.filter(pl.col("load_anomaly") == "dropout")["load"].is_null().all()
    calm = made.filter(pl.col("load_anomaly").is_null())
    slope = np.polyfit(np.arange(made.height)[made["load_anomaly"].is_null().to_numpy()] / 24, calm["load"], 1)[0]
    assert slope == pytest.approx(2, abs=0.1)
    day = calm.group_by(pl.col("at").dt.hour()).agg(pl.col("load").mean()).sort("at")["load"]
    assert day.max() - day.min() == pytest.approx(20, abs=3)


def test_images_carry_the_label_of_what_is_on_them():
    made = list(images(ImageRecipe(count=30, width=24, height=16), 1))
    assert {pixels.shape for _, pixels in made} == {(16, 24, 3)}
    assert {label for label, _ in made} == {"circle", "square", "triangle"}
    assert all(len(np.unique(pixels.reshape(-1, 3), axis=0)) == 2 for _, pixels in made)
    again = list(images(ImageRecipe(count=2, width=24, height=16), 1))
    assert all((ours == theirs).all() for (_, ours), (_, theirs) in zip(again, made, strict=False))


def test_a_wrong_recipe_is_refused_whole_with_every_culprit():
    with pytest.raises(ContractError) as refused:
        recipes_of({
            "tabular": {"num_rows": -1, "schema": [
                {"name": "a", "type": "foo", "range": [3, 1]}, {"name": "a", "patern": "x", "null_rate": 2},
                {"name": "c", "pattern": "(?=x)"}]},
            "time_series": {"start_date": "2024-01-02", "end_date": "2024-01-01", "metrics": [
                {"name": "m", "base": "high", "correlates": {"later": 1}}]},
            "pictures": {},
        })  # fmt: skip
    culprits = "\n".join(problem.culprit for problem in refused.value.problems)
    for word in ("'pictures'", "num_rows", "'foo'", "range", "'patern'", "null_rate", "pattern", "column 'a'",
                 "end_date", "base", "'m'"):  # fmt: skip
        assert word in culprits


def table_of(*columns):
    (table,) = recipes_of({"tabular": {"name": "t", "schema": list(columns)}}).tables
    return table_rows(table, 3, start=0, rows=3_000)


def test_the_columns_of_a_person_are_one_persons_and_of_one_country():
    parts = ("name", "email", "country", "company")
    frame = table_of(*({"name": part, "person": part, "countries": {"PL": 2, "FR": 1}} for part in parts))
    french = frame.filter(pl.col("country") == "FR")
    assert 800 < french.height < 1_200
    assert french["company"].str.ends_with("SARL").all()
    assert (frame["company"].str.split(" ").list.first() == frame["name"].str.split(" ").list.get(1)).all()
    assert frame["email"].is_unique().all()


def test_instants_in_business_hours_are_on_working_days_between_the_hours():
    at = table_of({"name": "at", "type": "timestamp", "range": ["2024-01-01", "2024-03-01"],
                   "business_hours": [8, 18]})["at"]  # fmt: skip
    assert (at.dt.hour().min(), at.dt.hour().max(), at.dt.weekday().max()) == (8, 17, 5)


def test_a_mixture_has_its_parts_by_weight_and_edge_cases_are_the_bounds():
    parts = [{"weight": 3, "distribution": "normal", "mean": 10}, {"distribution": "normal", "mean": 60}]
    column = {"name": "m", "type": "float", "mixture": parts, "range": [-5, 99], "edge_case_rate": 0.03}
    numbers = table_of(column)["m"]
    assert 0.2 < (numbers > 40).mean() < 0.3
    assert numbers.is_in([-5.0, 0.0, 99.0]).sum() > 60


def test_business_hours_without_an_open_day_are_refused():
    with pytest.raises(ContractError, match="leaves no open day"):
        table_of({"name": "at", "type": "timestamp", "range": ["2024-01-06", "2024-01-07"], "business_hours": True})
