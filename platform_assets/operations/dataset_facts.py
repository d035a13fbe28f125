"""What the command line tells of a dataset; these records are its JSON.

Their field names are the contract with programs and stand in docs/cli.md.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

from platform_assets.operations.overview import Verdicts


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How old a dataset may be, and is.

    Attributes:
        state: `pass`, `fail`, `unknown` (never materialised) or `not_applicable` (no limit declared).
        within_seconds: The longest time without a materialisation.
        due_at: When it turns from `pass` to `fail`.
    """

    state: str
    within_seconds: float | None
    due_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A dataset in the list of all; an asset that is not declared lacks some of it.

    Attributes:
        source: `files`, `generated`, `transform`; of an asset that is not declared `dbt` or `by hand`.
        mode: How a write treats what is there: `overwrite`, `append` or `merge`.
        rows: In the table; None where there is none.
        quarantine_open: Rows set aside that nobody decided on; None where there is no quarantine.
        location: Where the table lies.
    """

    name: str
    domain: str
    owner: str
    version: str | None
    source: str
    format: str | None
    mode: str | None
    partitions: str | None
    rule_count: int
    rows: int | None
    materialised_at: datetime | None
    checks: Verdicts
    quarantine_open: int | None
    freshness: Freshness
    location: str


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """A column of the contract."""

    name: str
    type: str
    nullable: bool
    unit: str | None
    pii: str | None
    description: str


@dataclass(frozen=True, kw_only=True)
class RuleFacts:
    """A rule, and what its check last said.

    Attributes:
        status: `passed`, `warned`, `failed`, or `never` judged.
        told: The last verdict in words.
    """

    id: str
    label: str
    columns: tuple[str, ...]
    severity: str
    dimension: str | None
    status: str = "never"
    told: str = ""
    judged_at: datetime | None = None
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Materialisation:
    """The last one, from Dagster's history."""

    at: datetime
    run_id: str
    partition: str | None
    rows_in: int | None
    rows_valid: int | None


@dataclass(frozen=True, kw_only=True)
class InputFacts:
    """One input in its latest version; rows = valid + quarantined + superseded."""

    source: str
    rows: int
    valid: int
    quarantined: int
    superseded: int
    partitions: tuple[str, ...]
    ingested_at: datetime
    run_id: str


@dataclass(frozen=True, kw_only=True)
class QuarantineFacts:
    """How many envelopes there are, by decision, and for how long each is kept."""

    open: int
    replayed: int
    discarded: int
    keep_days: int


@dataclass(frozen=True, kw_only=True)
class RetentionFacts:
    """How long things are kept, declared or not.

    Attributes:
        keep_days: A partition's rows after its end; None for ever.
        versions_days: Earlier versions of the table; None where the format keeps none.
        read_back_days: How far back readers look; None for all of it.
    """

    keep_days: int | None
    versions_days: int | None
    read_back_days: int | None
    told: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """All that is known of a dataset."""

    dataset: Line
    description: str
    tags: tuple[str, ...]
    key: tuple[str, ...]
    reads: tuple[str, ...]
    columns: tuple[ColumnFacts, ...]
    rules: tuple[RuleFacts, ...]
    last_materialisation: Materialisation | None
    quarantine: QuarantineFacts | None
    retention: RetentionFacts | None
    inputs: tuple[InputFacts, ...]


def json_of(shown: Page) -> dict[str, object]:
    """Return the page as one flat JSON object: the dataset's line first, then what only the page has."""
    facts = asdict(shown)
    return {**facts.pop("dataset"), **facts}
