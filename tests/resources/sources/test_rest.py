"""An address as a source, read from a real server: pages to their end, faults, secrets, and what is new."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import polars as pl
import pytest

from platform_core.contracts import Rest, api_key, basic, bearer, cursor, link, oauth2, offset, page
from platform_resources.settings import Settings
from platform_resources.sources import Cursor, SourceContext, open_source
from platform_resources.sources.rest_client import RestBusy, RestError
from tests.api_server import api_server

ROW_FRAME = pl.DataFrame({"id": [1]})
ROWS = [{"id": number, "at": f"2024-03-{number:02}", "price": number + 0.25} for number in range(1, 9)]


@pytest.fixture
def api():
    with api_server(records=list(ROWS)) as server:
        yield server


def opened(api, path="/items", secret="", **words):
    """The adapter, and the waits that it would have made."""
    words = {"records": "data.items", "pages": offset(3), **words}
    settings = Settings(state="", lake="", landing="", secrets={"crm": secret} if secret else {})
    context = SourceContext(dataset="crm/items", version="1.0.0", settings=settings, partitions=None,
                            partition_keys=lambda rows: rows.to_series(), generate=lambda *_: pl.DataFrame(),
                            quarantined=lambda _: pl.DataFrame())  # fmt: skip
    adapter, waits = open_source("rest", Rest(api.url + path, **words).options, context), []
    adapter.client.pause, adapter.client.draw = waits.append, lambda: 1.0
    return adapter, waits


def load(adapter, position=""):
    """The ids of the next load, and the position behind it; None where there is nothing new."""
    units = adapter.pending(Cursor(position=position))
    if not units:
        return None, position
    unit = adapter.identify(units[0])
    rows = pl.concat([batch.rows for batch in adapter.read(unit)], how="diagonal")
    return [int(value) for value in rows["id"]] if rows.width else [], unit.position


EVERY_WAY = {
    "offset": ("/items", offset(3)),
    "offset_asked_for_more_than_a_page_may_have": ("/items", offset(100)),
    "offset_with_total": ("/items", offset(3, total="meta.total")),
    "page": ("/items", page()),
    "cursor": ("/items", cursor("meta.next")),
    "link": ("/linked", link()),
}


@pytest.mark.parametrize("way", EVERY_WAY)
def test_all_pages_are_read_whichever_way_leads_on(api, way):
    path, pages = EVERY_WAY[way]
    words = {} if path == "/items" else {"records": ""}
    assert load(opened(api, path, pages=pages, **words)[0])[0] == [*range(1, 9)]


def test_values_are_texts_that_a_contract_reads(api):
    api.records = [{"id": 1, "at": None, "price": "PRICE", "paid": True, "tags": ["ä", 1.5]}]
    api.exact = "12345678901234567.89"
    adapter, _ = opened(api)
    row = next(adapter.read(adapter.pending(Cursor())[0])).rows.row(0, named=True)
    assert row == {"id": "1", "at": None, "price": "12345678901234567.89", "paid": "true", "tags": '["ä", 1.5]'}


@pytest.mark.parametrize("fault", [500, 502, 429, 503, "cut", "html"])
def test_what_passes_by_itself_is_asked_again_and_nothing_is_lost(api, fault):
    adapter, waits = opened(api)
    (unit,) = adapter.pending(Cursor())
    api.faults = [None, fault, fault, None]
    assert adapter.identify(unit).size_bytes > 0
    assert pl.concat([batch.rows for batch in adapter.read(unit)]).height == 8
    assert len(waits) == 2


def test_waits_are_what_the_address_asks_for_and_jitter(api):
    api.faults, api.retry_after = [429], "7"
    adapter, waits = opened(api)
    adapter.pending(Cursor())
    assert waits == [7.5]
    api.faults, api.retry_after = [503], format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    adapter.pending(Cursor())
    assert 95 < waits[-1] < 101
    api.faults, api.retry_after = [429], "4000"
    with pytest.raises(RestBusy, match="asks to wait for 4000 s"):
        adapter.pending(Cursor())


def test_an_address_that_stays_broken_is_named_with_page_and_fix(api):
    adapter, waits = opened(api, attempts=4)
    api.faults, api.retry_after = [500] * 4, ""
    with pytest.raises(RestBusy, match=r"/items: it answers 500 to page 1, 4 times") as broken:
        adapter.pending(Cursor())
    assert broken.value.transient
    assert waits == [0.5, 1.0, 2.0]
    assert "secret words" not in str(broken.value)


@pytest.mark.parametrize(("status", "words"), [(404, "refuses page 1"), (401, "refuses who asks"), (302, "has moved")])
def test_a_refusal_is_told_at_once(api, status, words):
    adapter, waits = opened(api, auth=bearer("crm"), secret="hush")
    api.faults = [status]
    with pytest.raises(RestError, match=words) as refused:
        adapter.pending(Cursor())
    assert waits == []
    assert not refused.value.transient
    assert "hush" not in f"{refused.value!r} {adapter!r}"


def test_pages_that_repeat_lead_back_or_lack_records_are_refused(api):
    api.heeds = False
    with pytest.raises(RestError, match="page 2 repeats page 1"):
        load(opened(api)[0])
    api.heeds, api.wraps, api.records = True, True, ROWS[:6]
    with pytest.raises(RestError, match="page 3 repeats page 1"):
        load(opened(api, pages=page())[0])
    api.records = [{**row, "page": len(api.asked)} for row in ROWS]
    api.wraps, api.total = False, 20
    with pytest.raises(RestError, match="it says 20 records and gave 8"):
        load(opened(api, pages=cursor("meta.next", total="meta.total"))[0])


def test_a_link_to_another_host_is_not_followed(api):
    api.elsewhere = "http://evil.example"
    adapter, _ = opened(api, "/linked", records="", pages=link(), auth=bearer("crm"), secret="hush")
    with pytest.raises(RestError, match=r"another host, evil\.example"):
        load(adapter)


@pytest.mark.parametrize(
    ("auth", "secret", "sent"),
    [(bearer("crm"), "hush", "Bearer hush"), (basic("crm"), "ada:hush", "Basic YWRhOmh1c2g=")],
)
def test_secrets_travel_in_a_header(api, auth, secret, sent):
    api.token = sent
    assert load(opened(api, auth=auth, secret=secret)[0])[0] == [*range(1, 9)]
    assert "hush" not in "".join(api.asked)


def test_an_api_key_has_a_header_of_its_own_and_oauth2_renews_its_token(api):
    load(opened(api, auth=api_key("crm"), secret="hush")[0])
    assert api.headers[-1]["X-Api-Key"] == "hush"
    api.token, api.faults = "Bearer fresh", [None, 401]
    adapter, _ = opened(api, auth=oauth2("crm", api.url + "/token"), secret="client:s3cret")
    assert load(adapter)[0] == [*range(1, 9)]
    with pytest.raises(RestError, match="PLATFORM_SECRET_CRM"):
        load(opened(api, auth=oauth2("crm", api.url + "/token"), secret="client:old")[0])
    with pytest.raises(RestError, match="PLATFORM_SECRET_CRM"):
        opened(api, auth=bearer("crm"))


def test_a_load_takes_what_is_new_by_the_cursor_and_ties_are_not_missed(api):
    words = {"cursor": "at", "since": "since", "pages": offset(3, total="meta.count")}
    ids, position = load(opened(api, **words)[0])
    assert ids == [*range(1, 9)]
    api.records += [{"id": 9, "at": "2024-03-08", "price": 1}, {"id": 10, "at": "2024-03-10", "price": 1}]
    ids, position = load(opened(api, **words)[0], position)
    assert ids == [8, 9, 10]
    assert "since=2024-03-08" in api.asked[-1]


@pytest.mark.parametrize("etags", [True, False])
def test_one_page_that_did_not_change_is_known_by_one_request(api, etags):
    api.etags, api.size = etags, 100
    adapter, _ = opened(api, pages=Rest(api.url).pages)
    ids, position = load(adapter)
    assert len(ids) == 8
    before = len(api.asked)
    adapter, _ = opened(api, pages=Rest(api.url).pages)
    assert load(adapter, position) == (None, position)
    assert len(api.asked) == before + 1
    api.records = api.records[:-1]
    assert len(load(opened(api, pages=Rest(api.url).pages)[0], position)[0]) == 7


def test_records_that_are_no_objects_are_malformed_with_page_and_place(api):
    api.records = [*ROWS[:4], "oops", *ROWS[4:]]
    adapter, _ = opened(api)
    (batch,) = adapter.read(adapter.pending(Cursor())[0])
    (record,) = batch.malformed
    assert (record.record, record.reason) == (5, "page 2, record 2: it is a JSON str, not an object")
    assert batch.wheres.to_list()[3:5] == ["page 2, record 1", "page 2, record 3"]


@pytest.mark.parametrize("url", ["https://ada:hush@crm.example/x", "https://crm.example/x?api_key=hush", "crm.example"])
def test_an_address_that_holds_a_secret_is_refused_without_its_echo(url):
    problems = [
        *Rest(url).problems(store_mode="merge"),
        *Rest("https://a", params={"token": "hush"}).problems(store_mode="merge"),
    ]
    assert len(problems) == 2
    assert "hush" not in str(problems)


def test_requests_are_paced(api):
    adapter, waits = opened(api, rate=4)
    adapter.client.clock = lambda: 10.0
    load(adapter)
    assert waits[1:] == [0.25] * (len(waits) - 1)
    assert len(waits) > 3


def test_half_a_character_sets_its_record_aside_and_small_numbers_have_no_exponent(api):
    api.records = [{"id": 1, "name": "bad \ud800"}, {"id": 2, "name": "Zoë \U0001f984", "price": 1e-06}]
    adapter, _ = opened(api)
    (batch,) = adapter.read(adapter.pending(Cursor())[0])
    assert batch.rows.rows(named=True) == [{"id": "2", "name": "Zoë \U0001f984", "price": "0.000001"}]
    assert "page 1, record 1: a text has half of a character" in batch.malformed[0].reason


def test_lists_in_lists_without_end_are_no_json(api):
    api.records, api.exact = ["PRICE"], "[" * 200_000
    with pytest.raises(RestBusy, match="page 1 is no JSON"):
        opened(api, attempts=1)[0].pending(Cursor())


@pytest.mark.parametrize(("records", "words"), [([{"id": 1, "at": {"x": 1}}], "neither text nor number"),
                                                ([{"id": 1, "at": None}], "no record has a value")])  # fmt: skip
def test_a_cursor_that_no_record_can_be_ordered_by_is_told(api, records, words):
    api.records = records
    with pytest.raises(RestError, match=words):
        load(opened(api, cursor="at", since="from")[0])


def test_an_address_without_a_record_gives_no_row_of_the_contracts_columns(api):
    api.records = []
    adapter, _ = opened(api)
    adapter = replace(adapter, context=replace(adapter.context, generate=lambda rows, _: ROW_FRAME.head(rows)))
    (batch,) = adapter.read(adapter.pending(Cursor())[0])
    assert (batch.rows.columns, batch.rows.height) == (["id"], 0)
