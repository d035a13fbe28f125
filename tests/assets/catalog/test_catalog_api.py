import json
from pathlib import Path

import jsonschema
import pytest
from fastapi.testclient import TestClient

from platform_core.interchange.odcs import to_odcs
from tests.assets.catalog.conftest import READER, TOKEN
from tests.resources.alerts.sinks import http_sink
from tests.world import World


def test_a_dataset_is_told_with_verdicts_quality_and_who_reads_it(client: TestClient) -> None:
    told = client.get("/api/datasets/shop/sales").json()
    assert told["entry"]["quarantine_open"] == 1
    assert told["entry"]["score"] > 90
    assert "shop/takings" in told["consumers"]
    assert {rule["status"] for rule in told["rules"]} == {"passed", "warned"}


def test_search_finds_by_words_columns_and_filters(client: TestClient) -> None:
    def found(query: str) -> list[str]:
        return [each["name"] for each in client.get(f"/api/datasets?{query}").json()["datasets"]]

    assert found("text=sal")[0] == "shop/sales"
    assert "shop/members" in found("text=mail")
    assert found("owner=nobody") == []
    assert "shop/sales" in found("min_score=90")
    assert found("text=%22%20OR%20NEAR(") == []


def test_samples_are_masked_and_need_their_scope(client: TestClient) -> None:
    read = client.get("/api/datasets/shop/sales/sample?rows=5").json()
    assert read["masked"] == ["buyer"]
    assert len(read["rows"]) == 2
    refused = client.get("/api/datasets/shop/sales/sample", headers={"Authorization": f"Bearer {READER}"})
    assert refused.status_code == 403


def test_lineage_goes_both_ways_and_says_what_is_set_aside(client: TestClient) -> None:
    drawn = client.get("/api/datasets/shop/sales/lineage?column=price").json()
    nodes = {node["name"]: node for node in drawn["nodes"]}
    assert nodes["shop/sales"]["quarantine"] == 1
    assert ["files:shop/sales-*", "price"] in drawn["column_upstream"]


def test_a_product_is_registered_once_and_refused_whole_when_wrong(client: TestClient, shop: World) -> None:
    document = to_odcs(shop.location.catalog["shop/ledger"])
    document["version"] = "7.0.0"
    first = client.post("/api/products", json=document)
    assert (first.status_code, first.json()["id"]) == (201, "shop/ledger:7.0.0")
    assert client.post("/api/products", json=document).status_code == 409
    wrong = client.post("/api/products", json={**document, "version": "8.0.0", "schema": "no list"})
    assert wrong.status_code == 422
    assert wrong.json()["problems"]
    assert client.get("/api/products/shop/ledger").json()["versions"] == ["7.0.0"]


def test_compliance_is_told_with_evidence(client: TestClient) -> None:
    told = client.get("/api/products/shop/sales/compliance").json()
    assert told["row_count"] == 2
    assert {each["part"] for each in told["findings"]} >= {"schema", "quality"}
    assert client.get("/api/products/shop/sales/odps").json()["kind"] == "DataProduct"


@pytest.mark.parametrize("header", ["", "Bearer wrong", f"Basic {TOKEN}", "Bearer "])
def test_without_a_token_nothing_is_told(client: TestClient, header: str) -> None:
    refused = client.get("/api/home", headers={"Authorization": header})
    assert refused.status_code == 401
    assert TOKEN not in refused.text


def test_without_tokens_everybody_reads_and_nobody_writes(open_client: TestClient) -> None:
    assert open_client.get("/api/home").status_code == 200
    assert open_client.post("/api/products", json={}).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/pages/../api.py", "/pages/%2e%2e/api.py", "/pages/..%2fapi.py", "/pages//etc/passwd", "/api/datasets/..%2f../x",
     "/api/datasets/shop/..%2f..%2fetc", "/api/products/%2e%2e/%2e%2e", "/pages/vendor/%2e%2e/%2e%2e/tokens.py"],
)  # fmt: skip
def test_no_path_leads_out(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (404, 405)


def test_no_name_and_no_version_climbs(client: TestClient, shop: World) -> None:
    document = to_odcs(shop.location.catalog["shop/ledger"])
    assert client.post("/api/products", json={**document, "version": "../../../x"}).status_code == 422
    for table in document["schema"]:
        table["name"] = table["physicalName"] = "../../x"
    named = client.post("/api/products", json={**document, "id": "../../x", "name": "../../x"})
    assert ".." not in named.json().get("name", "")


def test_every_answer_forbids_foreign_scripts(client: TestClient) -> None:
    for path in ("/", "/api/home", "/nowhere"):
        assert "default-src 'self'" in client.get(path).headers["content-security-policy"]
    assert client.post("/api/products", content=b"x" * (1 << 21)).status_code == 413


def test_an_assistant_searches_and_reads_and_cannot_write(client: TestClient) -> None:
    def ask(method: str, **params: object) -> dict:
        return client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).json()

    assert ask("initialize", protocolVersion="2025-06-18")["result"]["protocolVersion"] == "2025-06-18"
    tools = {tool["name"] for tool in ask("tools/list")["result"]["tools"]}
    assert "search_datasets" in tools
    assert not {name for name in tools if "register" in name or "sample" in name}
    called = ask("tools/call", name="describe_dataset", arguments={"name": "shop/sales"})["result"]
    assert json.loads(called["content"][0]["text"])["entry"]["owner"] == "team:shop"
    assert ask("tools/call", name="describe_dataset", arguments={"name": "no/such"})["result"]["isError"]
    assert ask("tools/call", name="search_datasets", arguments={"limit": "many"})["error"]["code"] == -32602
    assert client.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}).status_code == 202


def test_a_quarantine_has_a_page_of_rules_rows_and_pictures_masked(client: TestClient) -> None:
    page = client.get("/api/datasets/shop/sales/quarantine").json()
    assert page["decisions"] == {"open": 1, "replayed": 0, "discarded": 0}
    assert [(rule["id"], rule["decisions"]["open"]) for rule in page["rules"]] == [("sku_isin", 1)]
    [opened] = page["envelopes"]
    assert opened["envelope"]["rules"] == ["sku_isin"]
    assert opened["payload"]["buyer"] == "•••"
    assert set(page["pictures"]) >= {"Rows in, by run", "Rows set aside, by day and rule"}
    assert client.get("/api/datasets/shop/sales/quarantine?rule=types").json()["envelopes"] == []


def test_a_quarantine_is_shown_to_those_who_may_see_rows(client: TestClient) -> None:
    refused = client.get("/api/datasets/shop/sales/quarantine", headers={"Authorization": f"Bearer {READER}"})
    assert refused.status_code == 403
    none = client.get("/api/datasets/shop/takings/quarantine")
    assert (none.status_code, "has no quarantine" in none.json()["detail"]) == (400, True)


def test_the_report_on_a_dataset_is_served_with_links_into_the_catalog(client: TestClient) -> None:
    page = client.get("/api/datasets/shop/sales/report").json()["html"]
    assert '<a href="/#/report/shop/takings" target="_top">shop/takings</a>' in page
    assert "<h2>Profile</h2>" in page


def test_each_product_is_one_by_the_schema_of_the_standard(client: TestClient) -> None:
    schema = json.loads((Path(__file__).parent / "odps-v1.0.0.schema.json").read_text())  # of Bitol, Apache-2.0
    validator = jsonschema.validators.validator_for(schema)(schema)
    names = [each["name"] for each in client.get("/api/products").json()]
    assert len(names) >= 4
    for name in names:
        assert [*validator.iter_errors(client.get(f"/api/products/{name}/odps").json())] == []


def test_a_wrong_method_is_told_all_that_are_allowed(client: TestClient) -> None:
    answer = client.delete("/api/products")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


ELSEWHERE = (
    "/pages/../../../etc/passwd", "/pages/%2e%2e/api.py", "/pages/..%2f..%2fapi.py", "/pages//etc/passwd",
    "/api/datasets/..%2f..%2fetc/passwd", "/api/datasets/shop/..%2f..%2fsales/report",
    "/api/products/..%2f..%2fetc/passwd/odps",
)  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
def test_no_path_leads_to_another_file(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_a_contract_that_names_addresses_and_files_makes_nobody_fetch_them(client: TestClient) -> None:
    with http_sink() as sink:
        contract = client.get("/api/datasets/shop/sales/contract").json()
        contract |= {"version": "7.0.0", "id": f"{sink.url}/id", "name": "shop/fetched"}
        contract["authoritativeDefinitions"] = [{"url": f"{sink.url}/definition", "type": "file"}]
        contract["servers"] = [{"server": "far", "type": "s3", "location": f"{sink.url}/bucket", "format": "parquet"}]
        answer = client.post("/api/products", json=contract)
        client.get("/api/products/shop/sales/compliance")
        assert answer.status_code in {201, 409, 422}
        assert sink.posts == []
