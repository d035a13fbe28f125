"""Records of an address become a dataset; what breaks the contract waits in quarantine with its page."""

import sys

import pytest

from tests.api_server import api_server
from tests.world import world

RECORDS = [{"id": number, "price": number * 1.5} for number in range(1, 6)]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    with api_server(records=list(RECORDS), token="Bearer hush") as api:
        monkeypatch.setenv("DESK_URL", f"{api.url}/items")
        for name in [name for name in sys.modules if name.startswith("tests.desk")]:
            monkeypatch.delitem(sys.modules, name)
        with world(tmp_path, "tests.desk", PLATFORM_SECRET_CRM="hush") as made:
            yield api, made


def test_records_become_rows_and_broken_ones_wait_with_page_and_place(desk):
    api, made = desk
    api.records += [{"id": 6, "price": -1}, 7, {"id": 8, "price": "dear"}]
    made.catch_up()
    assert made.rows("crm/items")["id"].to_list() == [1, 2, 3, 4, 5]
    reasons = sorted(made.store("crm/items").envelopes()["reason"])
    assert [reason.split(":")[0] for reason in reasons] == ["malformed", "page 2, record 3", "page 3, record 2"]
    assert "page 3, record 1" in reasons[0]
    assert "hush" not in "".join(reasons)


def test_a_load_that_fails_on_its_second_page_changes_nothing_and_the_next_one_takes_all(desk):
    api, made = desk
    for status, words in ((404, "refuses page 2"), (401, r"refuses who asks \(401\)[^$]*renew PLATFORM_SECRET_CRM")):
        api.faults = [None, None, None, status]
        with pytest.raises(AssertionError, match=words) as failed:
            made.catch_up()
        assert "hush" not in str(failed.value)
        assert made.rows("crm/items").is_empty()
    made.catch_up()
    assert made.rows("crm/items").height == 5


def test_a_refused_record_waits_once_though_every_load_reads_it_and_goes_with_its_record(desk):
    api, made = desk
    api.records += [{"id": 6, "price": -1}, 7]
    made.catch_up()
    first = made.store("crm/items").envelopes()["quarantine_id"].sort().to_list()
    api.records.insert(0, {"id": 8, "price": 2})
    made.catch_up()
    assert made.store("crm/items").envelopes()["quarantine_id"].sort().to_list() == first
    api.records[6] = {"id": 6, "price": 1}
    api.records.remove(7)
    made.catch_up()
    assert made.store("crm/items").envelopes().is_empty()
    assert made.rows("crm/items")["id"].to_list() == [1, 2, 3, 4, 5, 6, 8]
