import json

import numpy as np
import polars as pl
import pytest

from platform_core.synthetic.samples import SampleModel, compare, draw, fit

ROWS = 6000


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(1)
    group = rng.choice(["near", "far", "rare"], ROWS, p=[0.6, 0.399, 0.001])
    distance = np.where(group == "near", 300, 2000) + rng.normal(0, 50, ROWS)
    minutes = distance / 8 + rng.normal(20, 5, ROWS)
    minutes[::17] = np.nan
    begun = 1_700_000_000 + np.sort(rng.integers(0, 86400 * 90, ROWS))
    frame = pl.DataFrame({
        "id": [f"T{n:05}" for n in range(ROWS)], "group": group, "distance": distance.round(1), "minutes": minutes,
        "mail": [f"p{n}@example.com" for n in range(ROWS)],
        "begun": begun * 1_000_000, "ended": (begun + rng.integers(60, 4000, ROWS)) * 1_000_000,
    }, nan_to_null=True)  # fmt: skip
    instants = pl.col("begun", "ended").cast(pl.Datetime("us", "UTC"))
    return frame.with_columns(instants)


def drawn(model, rows=ROWS, **options):
    return pl.concat(list(draw(model, rows, **options)))


def test_what_is_drawn_is_spread_and_goes_together_as_in_the_sample(sample):
    rows = drawn(fit(sample, group_by=["group"], personal=["mail"]))
    likeness = compare(sample[: ROWS // 2], sample[ROWS // 2 :], rows, group_by=["group"])
    assert max(value for name, value in likeness.drawn.distances.items() if name not in {"begun", "ended"}) < 0.05
    assert likeness.drawn.correlation < 0.05
    assert likeness.drawn.conditional["distance"] < 10
    assert likeness.drawn.nulls["minutes"] < 0.01
    assert likeness.copies == 0


def test_keys_and_personal_data_are_new_and_rare_groups_and_extremes_do_not_come_back(sample):
    model = fit(sample, group_by=["group"], personal=["mail"])
    rows = drawn(model)
    assert rows["id"].is_unique().all()
    assert not set(rows["id"]) & set(sample["id"])
    assert not set(rows["mail"]) & set(sample["mail"])
    assert set(rows["group"]) == {"near", "far"}
    assert rows["distance"].max() < sample["distance"].max()
    assert not any(name in json.dumps(model.to_mapping()) for name in ("p17@", "rare", "T00017"))


def test_instants_stay_in_order(sample):
    rows = drawn(fit(sample))
    assert (rows["ended"] >= rows["begun"]).all()
    assert rows["begun"].is_sorted()
    assert rows["begun"].dt.microsecond().eq(0).all()


def test_more_rows_change_none_and_a_model_survives_its_file(sample):
    model = fit(sample.drop("begun", "ended"), group_by=["group"])
    again = SampleModel.from_mapping(json.loads(json.dumps(model.to_mapping())))
    assert drawn(again, 300, seed=5).equals(drawn(model, 9000, seed=5).head(300))
    assert not drawn(again, 300, seed=6).equals(drawn(again, 300, seed=5))


def test_unknown_columns_and_nested_ones_are_refused(sample):
    with pytest.raises(ValueError, match="no column 'x'"):
        fit(sample, group_by=["x"])
    with pytest.raises(ValueError, match="cannot be learnt"):
        fit(pl.DataFrame({"a": [[1]]}))
