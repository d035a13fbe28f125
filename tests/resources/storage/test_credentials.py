"""Credentials that a real server does not accept, told by whatever touches a table; moto accepts any."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_resources.conversion import convert
from platform_resources.errors import CredentialsRefused, TableForbidden
from platform_resources.settings import Settings
from platform_resources.storage import Lake
from platform_resources.storage.io_manager import LakeIOManager
from platform_resources.storage.table import Format, TableSpec
from tests.servers import S3Server, real_s3_server, versitygw

SECRET = "hush-hush-secret"
ROWS = pl.DataFrame({"a": [1, 2]})
WRONG = {
    "an unknown key": ({"AWS_ACCESS_KEY_ID": "nobody"}, "it does not know the access key"),
    "another secret": ({"AWS_SECRET_ACCESS_KEY": SECRET}, "its secret key is another"),
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if versitygw() is None:
        pytest.skip("no versitygw on PATH and none named by VERSITYGW; .ci/versitygw builds one with Go")
    with real_s3_server(tmp_path_factory.mktemp("versitygw")) as made:
        yield made


@pytest.fixture
def environment(real: S3Server, tmp_path: Path) -> dict[str, str]:
    return real.environment | {"PLATFORM_STATE": str(tmp_path / "state"), "PLATFORM_LAKE": f"s3://{real.bucket}/lake"}


def refusal(action: Callable[[], Any]) -> str:
    with pytest.raises((TableForbidden, CredentialsRefused)) as caught:
        action()
    return str(caught.value)


@pytest.mark.parametrize("format_", ["delta", "iceberg", "parquet"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_table_says_whose_credentials_are_refused_and_where(
    real: S3Server, environment: dict[str, str], format_: Format, wrong: str
) -> None:
    spec = TableSpec(path=f"shop/{uuid.uuid4().hex}/v1", format=format_)
    Lake(Settings.from_environment(environment)).write(spec, ROWS)
    change, why = WRONG[wrong]
    lake = Lake(Settings.from_environment(environment | change))
    actions: list[Callable[[], Any]] = [
        lambda: lake.scan(spec).collect(),
        lambda: lake.version(spec),
        lambda: lake.write(spec, ROWS),
        lambda: lake.operations(spec).statistics(),
    ]
    for action in actions:
        told = refusal(action)
        assert f"{spec.path}: " in told
        assert f"{real.endpoint} does not accept the credentials of AWS_ACCESS_KEY_ID" in told
        assert why in told
        assert "Fix: correct both" in told
        assert SECRET not in told


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_key_does_not_make_the_catalogue_forget_a_table(environment: dict[str, str], wrong: str) -> None:
    spec = TableSpec(path=f"shop/{wrong.replace(' ', '-')}/v1", format="iceberg")
    lake = Lake(Settings.from_environment(environment))
    lake.write(spec, ROWS)
    refused = Lake(Settings.from_environment(environment | WRONG[wrong][0]))
    refusal(lambda: refused.operations(spec).register())  # type: ignore[attr-defined]  # Iceberg's own
    assert lake.scan(spec).collect().equals(ROWS)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_step_fails_at_once_with_it(environment: dict[str, str], wrong: str) -> None:
    manager = LakeIOManager(Settings.from_environment(environment | WRONG[wrong][0]))

    @dg.asset
    def sales() -> pl.DataFrame:
        return ROWS

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([sales], resources={"io_manager": manager}, instance=instance, raise_on_error=False)
    failed = done.get_step_failure_events()[0].event_specific_data
    assert WRONG[wrong][1] in str(failed.error)  # type: ignore[union-attr]  # a failure has an error
    assert SECRET not in str(failed.error)  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_conversion_says_it_of_either_side(environment: dict[str, str], tmp_path: Path, wrong: str) -> None:
    change, why = WRONG[wrong]
    settings = Settings.from_environment(environment | change)
    (tmp_path / "in.csv").write_text("a\n1\n")
    for source, target in [
        ("s3://lake/in.csv", f"{tmp_path}/out.parquet"),
        (f"{tmp_path}/in.csv", "s3://lake/out.parquet"),
    ]:
        told = refusal(lambda source=source, target=target: convert(source, target, settings=settings))  # type: ignore[misc]
        assert why in told


def test_a_profile_is_named(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = tmp_path / "credentials"
    written.write_text(f"[wrong]\naws_access_key_id = testing\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(written))
    named = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    lake = Lake(Settings.from_environment(named | {"AWS_PROFILE": "wrong", "AWS_REGION": "us-east-1"}))
    told = refusal(lambda: lake.scan(TableSpec(path="shop/sales/v1", format="delta")).collect())
    assert "does not accept the credentials of the profile 'wrong'" in told
    assert "Fix: correct it in ~/.aws" in told
    assert SECRET not in told
