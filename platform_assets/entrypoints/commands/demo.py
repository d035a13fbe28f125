"""`platform demo`: the main job on real input, from files that land to marts, with nothing else running."""

# ruff: noqa: PLC0415 - commands import what they need when called, so that help answers at once

import typer

commands = typer.Typer()


@commands.command()
def demo() -> None:
    """Run the whole graph on real input, and shows what there is."""
    from pathlib import Path

    from platform_assets.definitions import location
    from platform_assets.entrypoints.catalog.page_files import write_page
    from platform_assets.entrypoints.progress import catch_up, progress_console
    from platform_assets.operations.instance import open_instance
    from platform_assets.operations.sample import publish, write_support_desk
    from platform_assets.operations.stream_requests import send_sample

    console = progress_console()
    published = publish(location.landing)
    console.print(f"{published} new files published to {location.settings.landing}/flights", soft_wrap=True)
    console.print(f"{send_sample(location, 'commerce/clicks'):,} messages sent to the topic clicks")
    console.print(f"{write_support_desk(location.settings):,} tickets written to the support desk's database")
    with open_instance(location.settings) as instance:
        was_stale, stands = catch_up(location, instance, console)
    page = write_page(location, Path(location.settings.state) / "lineage.html")
    console.print(f"The lineage as a picture: {page}", soft_wrap=True)
    if not was_stale:
        console.print("Everything was up to date.")
    places = f"at http://localhost:3000 and {location.settings.catalog_url}"
    console.print(f"Open the UI and the catalog with [bold]make dev[/], {places}", soft_wrap=True)
    if not stands:
        raise typer.Exit(code=1)
