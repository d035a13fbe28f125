"""`platform lineage upstream | downstream | impact`: what a dataset or column is made of, and what is made of it."""

# ruff: noqa: PLC0415, FBT002 - commands import what they need when called, so that help answers at once; flags are booleans

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from platform_assets.entrypoints.options import Json

if TYPE_CHECKING:
    from platform_core.lineage import Lineage

Format = Literal["text", "json", "graphml", "dot", "markdown", "html"]
Name = Annotated[str, typer.Argument(metavar="DATASET[.COLUMN]", help="A dataset, a model, or one of its columns.")]
Depth = Annotated[int | None, typer.Option(help="How many steps to go; all without.", min=1)]
As = Annotated[Format, typer.Option("--format", help="How to write it.")]

Steps = Annotated[
    bool, typer.Option("--transformations", help="What makes a dataset is a step of its own: code, parameters, run.")
]

commands = typer.Typer(name="lineage", help="What a dataset or column is made of, and what is made of it.")


@commands.command()
def upstream(
    context: typer.Context, name: Name, depth: Depth = None, as_: As = "text", steps: Steps = False, json: Json = False
) -> None:
    """Show what a dataset or column is made of."""
    _show(context.obj, name, depth, "json" if json else as_, up=True, steps=steps)


@commands.command()
def downstream(
    context: typer.Context, name: Name, depth: Depth = None, as_: As = "text", steps: Steps = False, json: Json = False
) -> None:
    """Show what is made of a dataset or column."""
    _show(context.obj, name, depth, "json" if json else as_, up=False, steps=steps)


@commands.command()
def impact(context: typer.Context, name: Name, depth: Depth = None, as_: As = "text", json: Json = False) -> None:
    """Tells what a change of a dataset or column touches: datasets, columns, owners, marts, promises."""
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_core.lineage import impact_of
    from platform_core.lineage.render import impact_markdown, plain_impact

    graph, dataset, column = _lineage_of_name(context.obj, name)
    touched = impact_of(graph, dataset, column, depth=depth)
    if json or as_ == "json":
        print_json(plain_impact(touched))
    elif as_ == "markdown":
        typer.echo(impact_markdown(touched), nl=False)
    elif as_ == "text":
        rows = table("DATASET", "STEPS", "COLUMNS", "OWNER", "PROMISED", numbers=("STEPS",), fixed=("DATASET",))
        for touched_name, distance in touched.datasets.items():
            columns = ", ".join(touched.columns.get(touched_name, ())) or touched.unknown.get(touched_name, "")
            owner = graph.nodes[touched_name].owner if touched_name in graph.nodes else ""
            rows.add_row(touched_name, str(distance), columns, owner, ", ".join(touched.promises.get(touched_name, ())))
        console = screen()
        console.print(f"{name}: {touched.severity} impact, {touched.words()} below")
        console.print(rows)
    else:
        _write(context.obj, graph.part([dataset, *touched.datasets]), as_, focus=dataset)


@commands.command()
def observe(
    context: typer.Context,
    datasets: Annotated[list[str] | None, typer.Argument(metavar="[DATASET]...", help="All without names.")] = None,
    json: Json = False,
) -> None:
    """Find the columns of Python transforms by experiment: one value of a small input changes at a time."""
    from dataclasses import asdict

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_assets.operations.observed_lineage import observe_transforms

    observed = list(observe_transforms(open_location(context.obj), datasets or ()))
    if json:
        print_json([asdict(transform) for transform in observed])
        return
    console = screen()
    for transform in observed:
        console.print(
            f"{transform.name}: {transform.reason or f'{len(transform.edges)} edges, from {transform.runs} runs'}",
            markup=False,
        )
        if transform.edges:
            rows = table("FROM", "TO", "HOW", "SURE", numbers=("SURE",), fixed=("FROM", "TO"))
            for edge in transform.edges:
                to = "all rows" if edge.target_column == "*" else edge.target_column
                rows.add_row(f"{edge.source}.{edge.source_column}", to, edge.how, f"{edge.sure:.1%}")
            console.print(rows)


@commands.command()
def report(context: typer.Context, json: Json = False) -> None:
    """Count what is known of the lineage: datasets, edges, columns with an origin, orphans, what nobody reads."""
    from dataclasses import asdict

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.lineage import location_lineage
    from platform_core.lineage.coverage import coverage_of

    counted = coverage_of(location_lineage(open_location(context.obj)))
    if json:
        print_json(asdict(counted))
        return
    console = screen()
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counted.kinds.items()))
    share = counted.columns_known / counted.columns if counted.columns else 1.0
    console.print(f"{kinds}; {counted.edges} edges, {counted.column_edges} between columns", markup=False)
    console.print(f"{counted.columns_known} of {counted.columns} columns have an origin ({share:.0%})", markup=False)
    for title, names in (("Made of nothing and read by nobody", counted.orphans), ("Read by nobody", counted.unread)):
        console.print(f"{title}: {', '.join(names) or 'none'}", markup=False)
    for name, reason in counted.unknown.items():
        console.print(f"columns of {name} are not known: {reason}", markup=False)


@commands.command("critical-path")
def critical_path(context: typer.Context, name: Name, json: Json = False) -> None:
    """Show the chain up to a dataset that takes longest, by how long each step took when it last ran."""
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen, table
    from platform_assets.operations.lineage import last_durations
    from platform_core.lineage import coverage

    graph, dataset, _ = _lineage_of_name(context.obj, name)
    durations = last_durations(open_location(context.obj), graph)
    chain = coverage.critical_path(graph, dataset, durations)
    if json:
        print_json([{"name": step, "seconds": seconds} for step, seconds in chain])
        return
    rows = table("DATASET", "SECONDS", numbers=("SECONDS",), fixed=("DATASET",))
    for step, seconds in chain:
        rows.add_row(step, f"{seconds:.1f}" if step in durations else "-")
    console = screen()
    console.print(f"{name}: {sum(seconds for _, seconds in chain):.1f} seconds on its longest chain")
    console.print(rows)
    if any(step not in durations and graph.nodes[step].kind != "source" for step, _ in chain):
        console.print("- is not measured by itself: never made, or made in one step with others, as dbt's models are.")


@commands.command()
def publish(context: typer.Context, json: Json = False) -> None:
    """Send OpenLineage events of what was materialised since the last time; what is not taken waits."""
    from dataclasses import asdict

    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import print_json, screen
    from platform_assets.operations.instance import open_instance
    from platform_assets.operations.openlineage import send_events

    location = open_location(context.obj)
    with open_instance(location.settings) as instance:
        delivery = send_events(location, instance)
    if json:
        print_json(asdict(delivery))
        return
    unset = "" if location.settings.openlineage else " Fix: set PLATFORM_OPENLINEAGE_URL."
    why = f": {delivery.error}" if delivery.error else unset if delivery.left else ""
    screen().print(f"{delivery.sent} sent, {delivery.refused} refused, {delivery.left} waiting{why}", markup=False)


@commands.command()
def view(
    context: typer.Context,
    out: Annotated[str, typer.Option(help="The file to write.")] = "lineage.html",
    focus: Annotated[str | None, typer.Option(help="The dataset to begin with.")] = None,
) -> None:
    """Write the lineage as one page that opens from disk: datasets and columns, both ways, what is red and why."""
    from pathlib import Path

    from platform_assets.entrypoints.catalog.page_files import write_page
    from platform_assets.entrypoints.locations import open_location

    typer.echo(str(write_page(open_location(context.obj), Path(out), focus)))


def _lineage_of_name(package: str, name: str) -> "tuple[Lineage, str, str | None]":
    """Return the lineage, the dataset and the column that a name means.

    Raises:
        UnknownName: There is no such dataset, or it has no such column.
    """
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.operations.errors import UnknownName
    from platform_assets.operations.lineage import location_lineage

    graph = location_lineage(open_location(package))
    if name in graph.nodes:
        return graph, name, None
    dataset, _, column = name.rpartition(".")
    if dataset not in graph.nodes:
        raise UnknownName("dataset", name, graph.nodes)
    if column not in graph.nodes[dataset].columns:
        raise UnknownName("column", column, graph.nodes[dataset].columns, where=f"{dataset}: ")
    return graph, dataset, column


def _show(package: str, name: str, depth: int | None, as_: Format, *, up: bool, steps: bool) -> None:
    from platform_assets.entrypoints.locations import open_location
    from platform_assets.entrypoints.screen import screen, table
    from platform_assets.operations.lineage import with_runs

    graph, dataset, column = _lineage_of_name(package, name)
    if steps:
        graph = with_runs(open_location(package), graph).with_transformations()
    if column is None:
        names = (graph.upstream if up else graph.downstream)(dataset, depth=depth)
        if as_ != "text":
            _write(package, graph.part([dataset, *names]), as_, focus=dataset)
            return
        rows = table("DATASET", "STEPS", "KIND", "OWNER", numbers=("STEPS",), fixed=("DATASET",))
        for reached_name, distance in names.items():
            node = graph.nodes.get(reached_name)
            rows.add_row(reached_name, str(distance), node.kind if node else "", node.owner if node else "")
    else:
        reached = (graph.column_upstream if up else graph.column_downstream)(dataset, column, depth=depth)
        names = {reached_name: distance for (reached_name, _), distance in reached.items()}
        if as_ != "text":
            _write(package, _of_columns(graph, {(dataset, column), *reached}), as_, focus=dataset)
            return
        rows = table("COLUMN", "STEPS", numbers=("STEPS",), fixed=("COLUMN",))
        for (reached_name, own), distance in reached.items():
            rows.add_row(f"{reached_name}.{own}", str(distance))
    console = screen()
    console.print(f"{name}: {'made of' if up else 'reaches'} {len(rows.rows)}")
    console.print(rows)
    for unsure in sorted(graph.part([dataset, *names]).unknown):
        console.print(f"columns of {unsure.name} are not known: {unsure.reason}", markup=False)


def _of_columns(graph: "Lineage", columns: set[tuple[str, str]]) -> "Lineage":
    """Return the part of the graph between these columns."""
    from dataclasses import replace

    part = graph.part({name for name, _ in columns})
    edges = frozenset(
        edge
        for edge in part.columns
        if (edge.source, edge.source_column) in columns
        and ((edge.target, edge.target_column) in columns or (edge.target, "*") in columns)
    )
    return replace(part, columns=edges)


def _write(package: str, graph: "Lineage", as_: Format, *, focus: str) -> None:
    from platform_assets.entrypoints.screen import print_json
    from platform_core.lineage.render import dot, graphml, markdown, node_link

    if as_ == "json":
        print_json(node_link(graph))
    elif as_ == "html":
        from platform_assets.entrypoints.catalog.page_files import lineage_page
        from platform_assets.entrypoints.locations import open_location
        from platform_assets.operations.catalog import PlatformCatalog

        drawn = PlatformCatalog(open_location(package)).drawn(graph)
        typer.echo(lineage_page(drawn, focus), nl=False)
    else:
        typer.echo({"graphml": graphml, "dot": dot, "markdown": markdown}[as_](graph), nl=False)
