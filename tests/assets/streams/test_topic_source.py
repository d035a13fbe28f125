"""A topic as a source: what catching up sees of it."""

from pathlib import Path

from platform_assets.ingest.inputs import adapter_for
from platform_assets.operations.stream_events import produce_generated
from platform_core.contracts import Dataset, Delta, Quarantine, Topic
from platform_resources.brokers import LogBroker
from platform_resources.settings import Settings
from platform_resources.sources import Cursor
from platform_resources.storage import Lake
from tests.assets.streams.test_stream import Clicks

_DATASET = Dataset(
    "shop/clicks",
    Clicks,
    owner="team:commerce",
    version="1.0.0",
    key=("click_id",),
    source=Topic("clicks"),
    store=Delta(mode="append"),
    quarantine=Quarantine(),
)


def test_units_are_what_a_group_has_not_taken_in_and_read_as_rows(tmp_path: Path) -> None:
    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path), "PLATFORM_TOPIC_PREFIX": "test-"})
    adapter = adapter_for(_DATASET, settings)
    assert adapter.describe() == "message in topic test-clicks"
    assert not adapter.pending(Cursor())
    broker = LogBroker(f"{tmp_path}/streams")
    produce_generated(Lake(settings), broker, _DATASET, count=10, seed=1, bad_each=5)
    with broker.consumer("shop.clicks", "test-clicks") as consumer:
        consumer.poll()
        consumer.commit("test-clicks", {0: 3})
    (unit,) = adapter.pending(Cursor())
    assert (unit.source, unit.stamp) == ("test-clicks/0", "3-10")
    (batch,) = adapter.read(adapter.identify(unit))
    assert batch.lines is not None
    assert batch.lines.to_list() == [3, 5, 6, 7, 8]
    assert [record.line for record in batch.malformed] == [4, 9]
    assert batch.rows.columns == ["click_id", "n", "at"]
