"""`platform products register | list | show | compliance`: data products, as the catalog's API has them."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import Annotated

import typer

from platform_assets.entrypoints.options import Json

Product = Annotated[str, typer.Argument(help="Name of the product, domain/dataset.")]

commands = typer.Typer(name="products", help="Data products: registered contracts, and whether the data keeps them.")


@commands.command()
def register(
    context: typer.Context,
    contract: Annotated[str, typer.Argument(metavar="DATASET|FILE", help="A declared dataset, or an ODCS file.")],
    json: Json = False,
) -> None:
    """Register a version of a product, by its declaration or by a file of the standard; each version once."""
    from pathlib import Path

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json
    from platform_assets.operations.products import Products

    location = open_location(context.obj)
    registered = Products(location).register_named(contract, Path(contract))
    if json:
        print_json(registered)
    else:
        typer.echo(f"registered {registered['id']}")


@commands.command("list")
def list_all(context: typer.Context, json: Json = False) -> None:
    """List what is registered or declared, with its versions and how many read it."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import joined, print_json, screen, table
    from platform_assets.operations.lineage import location_lineage
    from platform_assets.operations.products import Products

    location = open_location(context.obj)
    products, lineage = Products(location), location_lineage(location)
    descriptions = [products.describe(name, lineage) for name in products.names()]
    if json:
        print_json(descriptions)
        return
    rows = table("PRODUCT", "VERSION", "REGISTERED", "OWNER", "CONSUMERS", numbers=("CONSUMERS",), fixed=("PRODUCT",))
    for description in descriptions:
        rows.add_row(
            description["name"],
            description["version"],
            joined(description["versions"]),
            description["owner"],
            str(len(description["consumers"])),
        )
    screen().print(rows)


@commands.command()
def show(context: typer.Context, name: Product, json: Json = False) -> None:
    """Show a product as the Open Data Product Standard describes one."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json
    from platform_assets.operations.products import Products
    from platform_resources.documents import document_text

    document = Products(open_location(context.obj)).odps(name)
    if json:
        print_json(document)
    else:
        typer.echo(document_text(document), nl=False)


@commands.command()
def compliance(context: typer.Context, name: Product, json: Json = False) -> None:
    """Judges whether the data keeps the product's contract now, each part with its evidence; exit code 1 where not."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_assets.operations.products import Products

    judged = Products(open_location(context.obj)).compliance(name)
    if json:
        print_json(judged)
    else:
        rows = table("PART", "NAME", "KEPT", "EVIDENCE", fixed=("PART",))
        for finding in judged["findings"]:
            rows.add_row(finding["part"], finding["name"], "yes" if finding["passed"] else "no", finding["detail"])
        console = screen()
        outcome = "complies" if judged["passed"] else "does not comply"
        console.print(f"{name} {judged['version']} {outcome}, over {judged['row_count']:,} rows", markup=False)
        console.print(rows)
    if not judged["passed"]:
        raise typer.Exit(code=1)
