"""Features and scores of the shop's clicks: the stream's are those of a batch, and another detector takes over."""

from datetime import UTC, datetime

import polars as pl
import pytest

from platform_assets.composition import definitions_of
from platform_assets.ingest.fold_replay import replay_fold
from platform_assets.ingest.tables import table_spec
from platform_assets.location import CodeLocation
from platform_assets.operations.errors import RequestError
from platform_assets.operations.features import (
    frame_as_of,
    leaks_of,
    list_detectors,
    list_features,
    look_up_features,
    train_again,
)  # fmt: skip
from platform_assets.operations.stream_events import produce_generated
from platform_assets.operations.streams import open_workers
from platform_resources.brokers import open_broker
from platform_resources.settings import Settings

CLICKS = "commerce/clicks"
UNTIL = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> CodeLocation:
    state = str(tmp_path_factory.mktemp("state"))
    settings = Settings(state=state, lake=f"{state}/lake", landing=f"{state}/landing")
    opened = CodeLocation("platform_assets.domains", settings, definitions_of)
    take_in(opened, 1_500, seed=1)
    return opened


def take_in(location: CodeLocation, count: int, *, seed: int) -> None:
    broker = open_broker(location.settings)
    produce_generated(location.lake, broker, location.catalog[CLICKS], count=count, seed=seed, until=UNTIL)
    names = (CLICKS, "commerce/visitor_features", "commerce/click_scores")
    workers = open_workers(
        location.lake, location.catalog, [location.catalog[each] for each in names], broker, run_id="r"
    )
    for worker in workers.values():
        worker.step()
        worker.close()
    broker.close()


def stored(location: CodeLocation, name: str) -> pl.DataFrame:
    return location.lake.read(table_spec(location.catalog[name]))


def test_a_frame_as_of_the_streams_instants_is_what_the_stream_gave(location: CodeLocation) -> None:
    streamed = stored(location, "commerce/visitor_features")
    features = [each.feature for each in list_features(location)]
    asked = streamed.select("visitor", "at")
    made = frame_as_of(location, "commerce/visitor_features", asked, instant="at")
    assert streamed.height > 1_000
    assert made.select(features).equals(streamed.select(features))
    assert made["clicks_before"].max() > 0  # type: ignore[operator] # a number


def test_no_declared_feature_sees_the_future(location: CodeLocation) -> None:
    assert leaks_of(location, "commerce/visitor_features") == {}


def test_the_latest_features_of_a_key_are_found_online(location: CodeLocation) -> None:
    latest = stored(location, "commerce/visitor_features").sort("at").row(-1, named=True)
    found = look_up_features(location, "commerce/visitor_features", [latest["visitor"], "nobody"])
    assert found.keys() == {latest["visitor"]}
    assert found[latest["visitor"]]["clicks_before"] == latest["clicks_before"]


def test_labels_without_the_key_are_refused_with_what_they_have(location: CodeLocation) -> None:
    with pytest.raises(RequestError, match="no column 'visitor', but at"):
        frame_as_of(location, "commerce/visitor_features", pl.DataFrame({"at": [UNTIL]}), instant="at")


def test_another_detector_scores_from_the_next_worker_on_and_a_replay_knows_when(location: CodeLocation) -> None:
    first = list_detectors(location, "commerce/click_scores")
    second = train_again(location, "commerce/click_scores", rows=1_200)
    assert (len(first), second.version == first[0].version) == (1, False)
    take_in(location, 200, seed=2)
    dataset = location.catalog["commerce/click_scores"]
    replayed = replay_fold(location.lake, location.catalog, dataset)
    assert replayed.sort("click_id").equals(stored(location, dataset.name).select(replayed.columns).sort("click_id"))
