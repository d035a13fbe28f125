"""The schema language: Pandera's polars models, with the few terms Pandera lacks (references, unit, PII class)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandera.polars as pandera
from pandera.api.polars.model_config import BaseConfig

from platform_core.contracts.types import PiiClass
from platform_core.rules import FIELD_WORDS, Severity
from platform_core.rules.regex import anchored, flaws_of

TERMS = "platform"
"""The key under which our terms lie in a Pandera column's metadata."""


@dataclass(frozen=True)
class ColumnTerms:
    """What a contract says of a column beyond Pandera."""

    references: str | None = None
    coverage: float = 1.0
    unit: str | None = None
    pii: str | None = None
    severity: Severity = "error"
    rules: tuple[tuple[str, Any], ...] = ()
    unknown: tuple[str, ...] = field(default=())
    source_name: str | None = None
    refused: tuple[tuple[str, str, str, str], ...] = ()
    """Arguments that cannot be: the word, its value, the reason and the fix, empty for an example of the word."""


NO_TERMS = ColumnTerms()


def Field(  # noqa: N802, PLR0913 - Pandera's name, and one keyword per term a column may have
    *,
    nullable: bool = False,
    unique: bool = False,
    references: str | None = None,
    coverage: float = 1.0,
    unit: str | None = None,
    pii: PiiClass | None = None,
    severity: Severity = "error",
    description: str | None = None,
    title: str | None = None,
    alias: str | None = None,
    source_name: str | None = None,
    metadata: dict[str, Any] | None = None,
    **rules: Any,
) -> Any:
    """Return a column of a `DataFrameModel`: Pandera's `Field` with the terms a contract adds.

    Args:
        nullable: Whether nulls may stand here. NaN counts as null.
        unique: Whether no two rows may share a value.
        references: `"domain/dataset.column"` whose values this column must take.
        coverage: The share, 0 to 1, of non-null values that must be found there. At 1 every row is judged by itself;
            below 1 the share is judged per partition and no row is refused.
        unit: The unit of the values, in words (`"minutes"`).
        pii: The class of personal data, one of `PII_CLASSES`; samples of it are masked.
        severity: `"warn"` keeps failing rows and turns the check yellow; a null where none may be is always an error.
        description: What the column means.
        title: A short label.
        alias: The column's name where it is no Python identifier.
        source_name: What the source calls the column, where that is another name: `"Customer ID"`.
        metadata: Free metadata, handed through.
        **rules: Pandera's built-in checks (`ge`, `le`, `gt`, `lt`, `isin`, `str_matches`, ...), and `format`.
            A name that is no rule is reported when the dataset is loaded, with the allowed names.
    """
    known = {name: value for name, value in rules.items() if name in FIELD_WORDS and FIELD_WORDS[name].pandera}
    own = tuple((name, value) for name, value in rules.items() if name in FIELD_WORDS and name not in known)
    unknown = tuple(sorted(set(rules) - FIELD_WORDS.keys()))
    plain = {"description": description, "title": title, "alias": alias}
    refused = (*_refused_options(nullable, unique, plain, metadata), *_refused_rules(rules))
    known = {name: value for name, value in known.items() if name not in {word for word, *_ in refused}}
    terms = ColumnTerms(references, coverage, unit, pii, severity, own, unknown, source_name, refused)
    return pandera.Field(
        **{name: _value(name, value) for name, value in known.items()},
        nullable=bool(nullable),
        unique=bool(unique),
        raise_warning=severity == "warn",
        description=_text(description),
        title=_text(title),
        alias=_text(alias),
        metadata={**(metadata if isinstance(metadata, dict) else {}), TERMS: terms},
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _refused_options(
    nullable: object, unique: object, plain: dict[str, str | None], metadata: object
) -> Iterable[tuple[str, str, str, str]]:
    """Options of another type, which Pandera would take for true, or trip over before anybody knows the dataset."""
    for word, value in {"nullable": nullable, "unique": unique}.items():
        if not isinstance(value, bool):
            yield word, repr(value), "it is neither True nor False", f"write {word}=True."
    for word, text in plain.items():
        if text is not None and not isinstance(text, str):
            yield word, repr(text), "it is no text", f'write {word}="...".'
    if metadata is not None and not isinstance(metadata, dict):
        yield "metadata", repr(metadata), "it is no mapping", 'write metadata={"team": "a"}.'


def _refused_rules(rules: dict[str, Any]) -> Iterable[tuple[str, str, str, str]]:
    """Rules with a value that they cannot take."""
    for word, value in rules.items():
        if reason := _refusal(word, value):
            yield word, repr(value), reason, _expression_for(word, value)


def _expression_for(word: str, value: Any) -> str:
    """How a pattern is said that all engines of the platform read, and Pandera alone does not; else empty."""
    if word not in {"str_matches", "str_contains"} or not isinstance(value, str) or any(flaws_of(value)):
        return ""
    pattern = value if word == "str_contains" else anchored(value)
    shown = f'r"{pattern}"' if '"' not in pattern else repr(pattern)
    return f'Pandera cannot read it; write rules=[expression("pattern", col("...").str.contains({shown}))].'


def _refusal(name: str, value: Any) -> str:
    """Why a rule of that name cannot take the value; empty where it can, or where there is no such rule.

    Pandera raises as the class is read, before anybody knows which dataset it is of.
    """
    if name not in FIELD_WORDS:
        return ""
    if value is None:
        return "None is no value"
    if not FIELD_WORDS[name].pandera:
        return "" if isinstance(value, str) else "it is no text"
    try:
        pandera.Field(**{name: _value(name, value)})
    except (TypeError, ValueError, re.error) as error:
        return str(error).rstrip(".!")
    return ""


def allowed_rules() -> list[str]:
    """Return the names of the rules a `Field` may carry, sorted."""
    return sorted(FIELD_WORDS)


def _value(name: str, value: Any) -> Any:
    """Return a rule's value as Pandera wants it: a set or generator of allowed values becomes a list."""
    return list(value) if name in {"isin", "notin"} and isinstance(value, Iterable) else value


class DataFrameModel(pandera.DataFrameModel):
    """The base of every schema: a Pandera polars model whose columns are exactly those declared."""

    class Config(BaseConfig):
        """Pandera's settings: no column may be missing, none may be added unseen."""

        strict: ClassVar[bool] = True  # type: ignore[misc]  # Pandera declares it as an instance attribute
