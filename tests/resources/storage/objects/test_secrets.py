"""No secret in logs, metadata, exceptions or repr."""

import logging
import pickle
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from platform_resources.errors import ResourceError, SettingsError
from platform_resources.settings import Settings
from platform_resources.storage.objects import ObjectStore
from tests.fault_proxy import EVERY, Fault, fault_proxy
from tests.resources.storage.objects.conftest import Bucket
from tests.servers import S3Server

SECRETS = ("testing-secret", "token-of-a-session", "id-of-an-outsider")


@pytest.mark.parametrize("fault", [*EVERY, "none"])
def test_nothing_that_is_told_or_kept_holds_a_secret(
    server: S3Server, bucket: Bucket, tmp_path: Path, fault: Fault, caplog: pytest.LogCaptureFixture, capfd
) -> None:
    where = bucket.put("o", b"content")
    caplog.set_level(logging.INFO)
    told: list[str] = []
    with fault_proxy(server.endpoint, [fault], rate=0.0 if fault == "none" else 1.0) as proxy:
        token = {"session_token": SECRETS[1]}  # a real server refuses it, which is one more error to look at
        settings = replace(
            server.through(proxy.endpoint).settings, attempts=2, timeout_seconds=0.3, external_id=SECRETS[2], **token
        )
        store = ObjectStore(settings)
        for action in (lambda: store.get(where, tmp_path / "o"), lambda: list(store.objects(bucket.place))):
            try:
                told.append(repr(action()))
            except ResourceError as error:
                told += [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
    told += [
        repr(settings),
        repr(store),
        repr(store._attempts),
        repr(settings._keys()),
        caplog.text,
        *capfd.readouterr(),
    ]
    told += [path.read_text(errors="replace") for path in tmp_path.iterdir() if path.is_file()]
    assert [secret for secret in SECRETS if secret in "\n".join(told)] == []


def test_a_store_that_is_sent_elsewhere_takes_no_client_along(store: ObjectStore, bucket: Bucket) -> None:
    bucket.put("o")
    before = len(list(store.objects(bucket.place)))
    again = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own bytes
    assert again == store
    assert len(list(again.objects(bucket.place))) == before


def test_an_endpoint_with_credentials_in_it_is_never_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"PLATFORM_S3_ENDPOINT": "https://key:hush@host"})
    assert "hush" not in str(caught.value)
