"""Tables on the screen say what is in them."""

import io

from rich.console import Console

from platform_assets.entrypoints.screen import plain, styled_table, table


def shown(rendered: object) -> str:
    page = io.StringIO()
    Console(file=page, width=200).print(rendered)
    return page.getvalue()


def test_brackets_in_a_cell_are_no_markup() -> None:
    rows = table("TITLE", "VALUE")
    rows.add_row("[error] shop/sales: sku matches ^[a-z]+$", "[/x]")
    assert "[error] shop/sales: sku matches ^[a-z]+$" in shown(rows)
    assert "[/x]" in shown(rows)


def test_a_styled_cell_is_markup_but_for_what_is_plain() -> None:
    rows = styled_table("VERDICT", "VALUE")
    rows.add_row("[red]failed[/]", plain("[/x]"))
    assert "failed" in shown(rows)
    assert "[red]" not in shown(rows)
    assert "[/x]" in shown(rows)
