"""The files of a new dbt model, as `platform dbt new` writes them: they run as they stand."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from platform_assets.location import CodeLocation
from platform_assets.operations.errors import RequestError
from platform_core.contracts import Column, Dataset
from platform_core.contracts.dbt import data_type


def create_model(location: CodeLocation, name: str, dataset: str) -> list[Path]:
    """Write a mart of a dataset into the dbt project: its SQL, and its columns with descriptions and tests.

    Args:
        location: The datasets and the dbt project.
        name: Of the model, `domain/model`.
        dataset: What it is made from.

    Raises:
        RequestError: There is no dbt project or dataset, the name is none, or the model is there already.
    """
    if location.dbt is None or not (location.dbt / "dbt_project.yml").exists():
        raise RequestError("there is no dbt project. Fix: give dbt=... to build_definitions, as `platform init` does.")
    domain, _, title = name.partition("/")
    if not re.fullmatch(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*", name):
        raise RequestError(f"{name!r} is no name of a model. Fix: write domain/model, as in shop/revenue_by_day.")
    if dataset not in location.catalog.datasets:
        available = ", ".join(sorted(location.catalog.datasets))
        raise RequestError(f"{dataset!r} is no dataset. Fix: give --source one of {available}.")
    if name in location.catalog.datasets or (existing := list(location.dbt.glob(f"models/**/{title}.sql"))):
        where = name if name in location.catalog.datasets else existing[0]
        raise RequestError(f"{name}: is there already, as {where}. Fix: choose another name.")
    source = location.catalog[dataset]
    folder = location.dbt / "models" / domain
    folder.mkdir(parents=True, exist_ok=True)
    sql, properties = folder / f"{title}.sql", folder / f"_{title}.yml"
    sql.write_text(_sql(source))
    properties.write_text(_properties(title, domain, source))
    return [sql, properties]


def _sql(source: Dataset) -> str:
    columns = ",\n".join(f'    "{column.name}"' for column in source.columns)
    return f'select\n{columns}\nfrom {{{{ source("{source.domain}", "{source.title}") }}}}\n'


def _properties(title: str, domain: str, source: Dataset) -> str:
    key = list(source.key)
    model = {
        "name": title,
        "description": f"{source.about} Made from {source.name}.",
        "config": {
            "schema": domain,
            "materialized": "table",
            "tags": ["mart"],
            "meta": {"lake": {"version": "1.0.0"}, "dagster": {"group": domain, "owners": [source.owner]}},
        },
        "columns": [_column(column, is_key=key == [column.name]) for column in source.columns],
    }
    return yaml.safe_dump({"version": 2, "models": [model]}, sort_keys=False, allow_unicode=True, width=110)


def _column(column: Column, *, is_key: bool) -> Mapping[str, object]:
    tests = [*(["not_null"] if not column.nullable else []), *(["unique"] if is_key or column.unique else [])]
    described = {"name": column.name, "data_type": data_type(column.dtype), "description": column.description}
    return {**described, "quote": True, **({"data_tests": tests} if tests else {})}
