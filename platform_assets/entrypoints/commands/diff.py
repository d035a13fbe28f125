"""`platform diff`: what changed since the published contracts."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.entrypoints.options import REGISTRY, Json, RegistryFolder

if TYPE_CHECKING:
    from platform_assets.operations.contract_changes import BreakingRows, DatasetChanges, TouchedChange

_READERS = 4

commands = typer.Typer()


@commands.command()
def diff(  # noqa: PLR0913, PLR0917 - one parameter an option
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Datasets; all without.")] = None,
    against: Annotated[
        str | None,
        typer.Option(help="A published version, a contract file, or a branch, tag or commit; the newest without."),
    ] = None,
    levels: Annotated[Path | None, typer.Option(help="YAML or JSON: the level of kinds of changes.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write Markdown, for a pull request.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page to this file too.")] = None,
    partitions: Annotated[int, typer.Option(help="Judge so many of the newest partitions by the new contract.")] = 3,
    registry: RegistryFolder = REGISTRY,
    json: Json = False,
) -> None:
    """Tells what changed since the published contracts, whom it touches, and which version it asks for.

    The exit code is 1 where a version moved less than its changes ask for.
    """
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.contract_changes import changes_of
    from platform_assets.operations.contracts import Registry
    from platform_assets.operations.datasets import find_dataset

    location = open_location(context.obj)
    for name in names or ():
        find_dataset(location.catalog, name)
    changed_datasets = changes_of(
        location, Registry(registry), names=names or (), against=against, levels=levels, partitions=partitions
    )
    if html is not None:
        html.write_text(_page(changed_datasets), encoding="utf-8")
    if json:
        print_json(changed_datasets)
    elif markdown:
        typer.echo(_markdown_page(changed_datasets), nl=False)
    else:
        screen().print(_text(changed_datasets), markup=False)
    if not all(dataset.versioned for dataset in changed_datasets):
        raise typer.Exit(1)


def _text(changed_datasets: "Sequence[DatasetChanges]") -> str:
    """Return the changes as lines, a dataset after the other."""
    return (
        "\n".join(line for dataset in changed_datasets for line in _lines(dataset))
        or "no contract differs from what is published"
    )


def _lines(dataset: "DatasetChanges") -> Iterator[str]:
    yield f"{dataset.name}: {_heading(dataset)}"
    if dataset.breaking is not None:
        yield f"  {_breaking_words(dataset.breaking)}"
    if dataset.undeclared:
        yield f"  the table has {', '.join(dataset.undeclared)}, which the contract lacks: declare what is to stay"
    for change in dataset.changes:
        yield f"  {change.level:<12} {_words(change)}{_whom(change, dataset.reader_count)}"


def _heading(dataset: "DatasetChanges") -> str:
    if dataset.old_version is None:
        return f"{dataset.new_version} is not published yet"
    if dataset.new_version is None:
        return f"{dataset.old_version} is published, and the dataset is declared no more"
    if not dataset.changes:
        return f"unchanged, {dataset.new_version}"
    asks = "" if dataset.versioned else f"; the version must become {dataset.proposed_version}"
    return f"{dataset.level}, {dataset.old_version} -> {dataset.new_version}{asks}"


def _breaking_words(breaking: "BreakingRows") -> str:
    where = f"of the partitions {', '.join(breaking.partitions)} " if breaking.partitions else "of the table "
    return f"{breaking.breaking:,} of {breaking.rows:,} rows {where}would be refused ({breaking.share:.2%})"


def _page(changed_datasets: "Sequence[DatasetChanges]") -> str:
    """Return the changes as a page that opens from disk."""
    from html import escape

    from platform_core.quality.html import document, grid

    sections = []
    for dataset in changed_datasets:
        sections.append(f"<h2>{escape(dataset.name)}</h2><p>{escape(_heading(dataset))}</p>")
        if dataset.breaking is not None:
            sections.append(f"<p>{escape(_breaking_words(dataset.breaking))}</p>")
        if dataset.changes:
            rows = [
                (change.level, _words(change), ", ".join(change.readers), ", ".join(change.owners))
                for change in dataset.changes
            ]
            sections.append(grid(("Level", "Change", "Reaches", "Owners"), rows))
    lead = (
        f"{len(changed_datasets)} contracts differ from what is published"
        if changed_datasets
        else "no contract differs"
    )
    return document("Changes of contracts", lead, sections)


def _words(change: "TouchedChange") -> str:
    where = f" {change.column}" if change.column else ""
    direction = "" if change.direction == "neutral" else f" ({change.direction})"
    before, after = change.before or "nothing", change.after or "nothing"
    return f"{change.kind.replace('_', ' ')}{where}: {before} -> {after}{direction}"


def _whom(change: "TouchedChange", count: int) -> str:
    if not change.readers:
        return ""
    shown = ", ".join(change.readers[:_READERS]) + (", ..." if len(change.readers) > _READERS else "")
    return f"; reaches {len(change.readers)} of {count} readers ({shown}) of {', '.join(change.owners) or 'nobody'}"


def _markdown_page(changed_datasets: "Sequence[DatasetChanges]") -> str:
    """Return the changes as Markdown."""
    if not changed_datasets:
        return "No contract differs from what is published.\n"
    return "\n".join(line for dataset in changed_datasets for line in _markdown(dataset)) + "\n"


def _markdown(dataset: "DatasetChanges") -> Iterator[str]:
    yield f"### `{dataset.name}`: {_heading(dataset)}"
    yield ""
    if dataset.breaking is not None:
        yield f"{_breaking_words(dataset.breaking)}."
        yield ""
    if dataset.changes:
        yield "| level | change | reaches | owners |"
        yield "|---|---|---|---|"
    for change in dataset.changes:
        reached = f"{len(change.readers)} of {dataset.reader_count}" if change.readers else ""
        words = _words(change).replace("|", "\\|").replace("\n", " ")
        yield f"| {change.level} | {words} | {reached} | {', '.join(change.owners)} |"
    yield ""
