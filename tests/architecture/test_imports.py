"""What importing costs and does: a code location loads no vendor before a step needs it."""

import json
import os
import subprocess
import sys

import pytest

VENDORS = {
    "opentelemetry",
    "boto3",
    "botocore",
    "dbt",
    "deltalake",
    "duckdb",
    "moto",
    "obstore",
    "pyiceberg",
    "rich",
    "s3fs",
    "typer",
}


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A state folder in which the code location was loaded before: the first load of all may run dbt's parser."""
    folder = tmp_path_factory.mktemp("state")
    loaded_by("platform_assets.definitions", folder)
    return folder


def loaded_by(module, state):
    """The top-level modules that a fresh process has after importing one."""
    code = f"import {module}, json, sys; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    environment = {**os.environ, "PLATFORM_STATE": str(state)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_definitions_load_no_vendor_before_it_is_used(state):
    assert loaded_by("platform_assets.definitions", state) & VENDORS == set()


def test_contracts_load_neither_dagster_nor_vendors(tmp_path):
    assert loaded_by("platform_core.contracts", tmp_path) & {"dagster", *VENDORS} == set()


@pytest.mark.parametrize("package", ["platform_core", "platform_resources", "platform_assets"])
def test_a_package_itself_loads_neither_dagster_nor_frames(package, tmp_path):
    assert loaded_by(package, tmp_path) & {"dagster", "polars", "pandas", *VENDORS} == set()


def test_storage_and_sources_load_no_vendor(tmp_path):
    for module in ("platform_resources.storage", "platform_resources.sources", "platform_resources.engines"):
        assert loaded_by(module, tmp_path) & VENDORS == set(), module
