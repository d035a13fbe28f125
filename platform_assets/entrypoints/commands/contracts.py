"""`platform contracts list | show | export | import | check | rules | sql`: contracts as files of the standard."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.entrypoints.options import REGISTRY, DatasetName, Json, RegistryFolder

if TYPE_CHECKING:
    from platform_core.contracts import Dataset


commands = typer.Typer(name="contracts", help="Contracts as files of the Open Data Contract Standard.")


@commands.command(name="list")
def list_all(
    context: typer.Context,
    search: Annotated[str, typer.Option(help="Only those with this text in name, description, tags or columns.")] = "",
    registry: RegistryFolder = REGISTRY,
    json: Json = False,
) -> None:
    """List declared and published contracts, and whether they are the same."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import joined, print_json, screen, table
    from platform_assets.operations.contracts import ListedContract, Registry, comparisons

    location, published = open_location(context.obj), Registry(registry)
    rows = []
    for comparison in comparisons(location.catalog, published):
        dataset = location.catalog.datasets.get(comparison.name)
        if search and search.lower() not in _words(comparison.name, dataset):
            continue
        state = (
            "unpublished"
            if comparison.old_version is None
            else "gone"
            if dataset is None
            else _state(comparison.changes)
        )
        rows.append(
            ListedContract(
                name=comparison.name,
                version=comparison.new_version,
                owner=dataset.owner if dataset else None,
                published=tuple(published.versions(comparison.name)),
                state=state,
            )
        )
    if json:
        print_json(rows)
        return
    rendered = table("CONTRACT", "VERSION", "OWNER", "PUBLISHED", "STATE", fixed=("CONTRACT",))
    for row in rows:
        rendered.add_row(row.name, row.version or "-", row.owner or "-", joined(row.published), row.state)
    screen().print(rendered)


def _state(changes: Sequence[object]) -> str:
    return "changed" if changes else "published"


def _words(name: str, dataset: "Dataset | None") -> str:
    if dataset is None:
        return name
    columns = [f"{column.name} {column.description}" for column in dataset.columns]
    return " ".join([name, dataset.about, dataset.owner, *dataset.tags, *columns]).lower()


@commands.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name, domain/dataset.")],
    version: Annotated[str | None, typer.Option(help="A published version; what is declared now without.")] = None,
    registry: RegistryFolder = REGISTRY,
    json: Json = False,
) -> None:
    """Show a contract as an ODCS document."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json
    from platform_assets.operations.contracts import Registry
    from platform_assets.operations.datasets import find_dataset
    from platform_assets.operations.errors import UnknownName
    from platform_core.interchange.odcs import plain_document, to_odcs
    from platform_resources.documents import document_text, read_document

    published = Registry(registry)
    if version is None:
        document = to_odcs(find_dataset(open_location(context.obj).catalog, name))
    elif version in published.versions(name):
        document = read_document(published.path(name, version))
    else:
        raise UnknownName("published version", version, published.versions(name), where=f"{name}: ")
    if json:
        print_json(plain_document(document))
    else:
        typer.echo(document_text(document), nl=False)


@commands.command()
def export(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Datasets; all without.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder to write to; a file there is brought up to date.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish in the registry, where nothing changes.")] = False,
    registry: RegistryFolder = REGISTRY,
    json: Json = False,
) -> None:
    """Write contracts as ODCS 3.2 files, or publishes them."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json
    from platform_assets.operations.contracts import Registry, documents, write_into
    from platform_assets.operations.datasets import find_dataset
    from platform_resources.documents import document_text

    location = open_location(context.obj)
    datasets = [find_dataset(location.catalog, name) for name in names or sorted(location.catalog.datasets)]
    if not publish and output is None:
        for _, document in documents(location.catalog, [dataset.name for dataset in datasets]):
            if json:
                print_json(document)
            else:
                typer.echo(document_text(document), nl=False)
        return
    written = [
        str(path)
        for dataset in datasets
        if (path := Registry(registry).publish(dataset) if publish or output is None else write_into(output, dataset))
    ]
    if json:
        print_json({"written": written})
    else:
        typer.echo("\n".join(written) or "nothing to write: all are published")


@commands.command(name="import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A contract, ODCS 3.0 to 3.2, YAML or JSON.")],
    table: Annotated[str | None, typer.Option(help="Which of its tables.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write the Python to this file.")] = None,
    json: Json = False,
) -> None:
    """Turn a contract file into a declaration in Python; what has no counterpart is named."""
    from platform_assets.entrypoints.screen import errors, print_json
    from platform_assets.operations.contracts import load
    from platform_core.interchange.python_code import dataset_code

    imported = load(file, table=table)
    code = dataset_code(imported.dataset)
    if output is not None:
        output.write_text(code, encoding="utf-8")
    if json:
        print_json({"name": imported.dataset.name, "left_out": list(imported.left_out), "code": code})
        return
    if output is None:
        typer.echo(code, nl=False)
    for omission in imported.left_out:
        errors().print(f"left out: {omission}", markup=False)


@commands.command()
def check(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A declared dataset, or a contract file.")],
    rows: Annotated[str | None, typer.Argument(metavar="FILE|DATASET", help="The rows; the table without.")] = None,
    json: Json = False,
) -> None:
    """Judges rows by a contract: schema, quality and SLA in one verdict. Exit code 1 where it does not hold."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_assets.operations.contracts import compliance_of, load
    from platform_assets.operations.datasets import find_dataset
    from platform_assets.operations.profiles import refuse_unknown_rows

    location = open_location(context.obj)
    is_file = name not in location.catalog.datasets and Path(name).is_file()
    contract = load(Path(name)).dataset if is_file else find_dataset(location.catalog, name)
    named = rows or contract.name
    refuse_unknown_rows(location.catalog, named)
    verdict = compliance_of(location, contract, named)
    if json:
        print_json(verdict)
    else:
        rendered = table("PART", "RULE", "VERDICT", "DETAIL", fixed=("RULE",))
        for finding in verdict.findings:
            word = "holds" if finding.passed else "warns" if finding.is_warning else "FAILS"
            rendered.add_row(finding.part, finding.name, word, finding.detail)
        console = screen()
        console.print(rendered)
        words = "complies with" if verdict.passed else "does not comply with"
        console.print(f"{verdict.rows} ({verdict.row_count:,} rows) {words} {verdict.contract} {verdict.version}")
    if not verdict.passed:
        raise typer.Exit(1)


@commands.command()
def rules(context: typer.Context, name: DatasetName, json: Json = False) -> None:
    """List the rules of a dataset and names those that the others say already."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_assets.operations.contracts import judged_rules
    from platform_assets.operations.datasets import find_dataset

    judged = judged_rules(find_dataset(open_location(context.obj).catalog, name))
    if json:
        print_json(judged)
        return
    rendered = table("RULE", "SEVERITY", "DIMENSION", "SAYS", "IMPLIED BY", fixed=("RULE",))
    for rule in judged:
        rendered.add_row(rule.id, rule.severity, rule.dimension, rule.label, ", ".join(rule.implied_by))
    console = screen()
    console.print(rendered)
    spare = [rule.id for rule in judged if rule.implied_by]
    count = len(judged) - len(spare)
    console.print(f"{count} of {len(judged)} rules say the same" if spare else "no rule is said by the others")


@commands.command()
def sql(
    context: typer.Context,
    name: DatasetName,
    dialect: Annotated[str, typer.Option(help="duckdb, postgres or spark.")] = "duckdb",
    table: Annotated[str | None, typer.Option(help="The table's name there; domain.dataset without.")] = None,
    json: Json = False,
) -> None:
    """Write the rules of a dataset as SQL, one statement a rule; what SQL cannot say is named with the reason."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json
    from platform_assets.operations.contracts import queries_of
    from platform_assets.operations.datasets import find_dataset

    queries = queries_of(find_dataset(open_location(context.obj).catalog, name), dialect, table)
    if json:
        print_json(queries)
        return
    for query in queries:
        label = " ".join(query.label.split())
        typer.echo(f"-- {query.rule}: {label}" if query.sql else f"-- {query.rule}: not in {dialect}: {query.reason}")
        if query.sql:
            typer.echo(f"{query.sql};")
