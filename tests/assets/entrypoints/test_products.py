"""Products at the command line are those of the catalog: registered once, whole, and judged with evidence."""

import json
from pathlib import Path

from platform_core.interchange.odcs import to_odcs
from tests.assets.entrypoints.conftest import GOOD, Shell


def test_a_product_is_registered_from_its_declaration_or_a_file_and_judged(shell: Shell, tmp_path: Path) -> None:
    declared = shell.world.dataset("shop/sales")
    shell.world.land("shop/sales-1.parquet", GOOD)
    shell.world.materialise("shop/sales", partitions=["2024-01"])
    assert shell("products", "register", "shop/sales") == f"registered shop/sales:{declared.version}\n"
    assert "is registered. Fix: raise the version" in shell.refused("products", "register", "shop/sales")
    file = tmp_path / "next.json"
    file.write_text(json.dumps({**to_odcs(declared), "version": "9.0.0"}, default=str))
    assert shell.json("products", "register", str(file))["id"] == "shop/sales:9.0.0"
    told = {each["name"]: each for each in shell.json("products", "list")}
    assert told["shop/sales"]["versions"] == [declared.version, "9.0.0"]
    assert "shop/takings" in told["shop/sales"]["consumers"]
    assert shell.json("products", "show", "shop/sales")["kind"] == "DataProduct"
    judged = shell.json("products", "compliance", "shop/sales")
    assert judged["passed"]
    assert {each["part"] for each in judged["findings"]} >= {"schema", "quality"}
    assert "no dataset or file 'shop/sale'" in shell.refused("products", "register", "shop/sale")
