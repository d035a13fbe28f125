"""Suggested rules as Python: a list for a declared dataset, or a whole contract for a file that nobody declared."""

import keyword
import re
from collections.abc import Iterator, Sequence

import polars as pl

from platform_core.contracts import DataFrameModel
from platform_core.quality.profile import ColumnProfile, Profile
from platform_core.quality.suggest import FEWEST_ROWS, Suggestion, literal

_ANNOTATIONS = {
    "Int64": "int",
    "Float64": "float",
    "String": "str",
    "Boolean": "bool",
    "Date": "Day",
    "Datetime(time_unit='us', time_zone='UTC')": "UtcTimestamp",
}
_WIDTH = 116
_DOMAIN = "landing"


def rules_code(name: str, suggestions: Sequence[Suggestion]) -> str:
    """Return a module with the list `SUGGESTED` for a dataset's `rules=[...]`, the evidence above each rule."""
    if not suggestions:
        return f'"""The rows of {name} suggest no rule that it does not have."""\n\nSUGGESTED = []\n'
    lines = [
        f'"""Rules that the rows of {name} suggest. Raise a severity to "error" to accept one for good."""',
        "",
        _imports(suggestions, ()),
        "",
        "SUGGESTED = [",
        *_listed(suggestions, "    "),
        "]",
    ]
    return "\n".join(lines) + "\n"


def contract_code(
    profile: Profile, suggestions: Sequence[Suggestion], schema: pl.Schema, *, name: str, owner: str, source: str,
    key: Sequence[str] = (),
) -> str:  # fmt: skip
    """Return a module that declares a dataset for the rows of a file.

    Args:
        profile: The file as measured.
        suggestions: The rules it suggests.
        schema: Its types.
        name: Of the dataset, `domain/dataset`.
        owner: `"team:aviation"` or an e-mail address.
        source: Code of the source, such as `Files("trips-*.csv")`.
        key: Columns that are known to identify a row; found out where there are none. Rows of files without any are
            known by their file and place.
    """
    key = tuple(key) or likely_key(profile)
    if source.startswith("Files("):
        schema, source = _in_a_zone(schema, source)
    remark = f"no two of {profile.rows:,} rows alike"
    beside = [suggestion for suggestion in suggestions if not _said_by_column(suggestion, profile, key)]
    fields = list(_fields(profile, schema, key))
    if not key and source.startswith("Files("):
        key, remark = _places(schema), "no columns tell the rows apart"
        fields = [f"    {key[0]}: str", f"    {key[1]}: int", *fields]
        source = (
            f"{source[:-1]}, path_columns={{{literal(key[0])}: {literal('[^/]+$')}}}, place_column={literal(key[1])})"
        )
    is_whole = not key
    words = ["DataFrameModel", "Dataset", "Delta", "Field", source.partition("(")[0]]
    words += [] if is_whole else ["Quarantine"]
    words += [word for word in ("Day", "UtcTimestamp") if any(f": {word} =" in field for field in fields)]
    special = [word for word in ("Annotated", "pl.") if any(word in field for field in fields)]
    variable = name.rpartition("/")[2]
    lines = [
        f'"""Suggested from {profile.rows:,} rows of {_base(profile.name)}. Say what a row is, and who owns it."""',
        "",
        *(["from typing import Annotated", ""] if "Annotated" in special else []),
        *(["import polars as pl", ""] if special else []),
        _imports(beside, words),
        "",
        "",
        f"class {_class_name(variable)}(DataFrameModel):",
        f'    """One row of {_base(profile.name)}."""',
        "",
        *fields,
        "",
        "",
        f"{variable} = Dataset(",
        f"    {literal(name)},",
        f"    {_class_name(variable)},",
        f"    owner={literal(owner)},",
        '    version="0.1.0",',
        *([f"    key=({', '.join(map(literal, key))}{',' if len(key) == 1 else ''}),  # {remark}"] if key else []),
        f"    source={source},",
        f'    store=Delta(mode="{"overwrite" if is_whole else "merge"}"),',
        *(["    rules=[", *_listed(beside, "        "), "    ],"] if beside else []),
        *([] if is_whole else ["    quarantine=Quarantine(),"]),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _in_a_zone(schema: pl.Schema, source: str) -> tuple[pl.Schema, str]:
    """Take instants that name no zone for UTC's, and say so in the source, where a person may correct it."""
    zoned = {
        name: pl.Datetime("us", "UTC") if isinstance(dtype, pl.Datetime) and dtype.time_zone is None else dtype
        for name, dtype in schema.items()
    }
    return pl.Schema(zoned), source if zoned == dict(schema) else f'{source[:-1]}, zone="UTC")'


def _places(schema: pl.Schema) -> tuple[str, str]:
    """Return names for the file and the place in it that no column of the rows has."""
    file, line = "file", "line"
    while {file, line} & {name.lower() for name in schema}:
        file, line = f"source_{file}", f"source_{line}"
    return file, line


def dataset_name(file: str) -> str:
    """Return a dataset's name made of a file's: `landing/` and its words in lower case.

    >>> dataset_name("s3://bucket/Trips-2024-05.csv.gz")
    'landing/trips'
    """
    words = [word.lower() for word in re.findall(r"[A-Za-z][A-Za-z0-9]*", _base(file).partition(".")[0])]
    return f"{_DOMAIN}/{'_'.join(words) or 'rows'}"


def file_pattern(file: str) -> str:
    """Return a glob of a file and those named like it but for their numbers.

    >>> file_pattern("landing/Trips-2024-05.csv")
    'Trips-*.csv'
    """
    return re.sub(r"\*(?:[-_.]?\*)+", "*", re.sub(r"\d+", "*", _base(file)))


def _base(file: str) -> str:
    return file.rstrip("/").rpartition("/")[2]


def _class_name(variable: str) -> str:
    return "".join(word.capitalize() for word in variable.split("_"))


def likely_key(profile: Profile) -> tuple[str, ...]:
    """Return the shortest key of columns that may be one: texts and whole numbers before instants."""
    if profile.rows < FEWEST_ROWS:
        return ()
    able = [
        names
        for names in profile.keys
        if not any(profile.column(name).type.startswith(("Decimal", "Duration", "Time")) for name in names)
    ]
    instants = {
        names: sum(profile.column(name).type.startswith(("Datetime", "Date")) for name in names) for names in able
    }
    return min(able, key=lambda names: (len(names), instants[names]), default=())


def _said_by_column(suggestion: Suggestion, profile: Profile, key: tuple[str, ...]) -> bool:
    """Return whether the column's own declaration, or the key, says the same."""
    if len(suggestion.columns) != 1:
        return False
    name = suggestion.columns[0]
    complete = suggestion.id.endswith("_complete") and profile.column(name).nulls == 0
    return complete or (suggestion.id.endswith("_unique") and key == (name,))


def _fields(profile: Profile, schema: pl.Schema, key: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the columns, each under a name that a class can have and no other column has."""
    variables: set[str] = set()
    for column in profile.columns:
        variable = column.name
        is_word = variable.isidentifier() and not keyword.iskeyword(variable) and not hasattr(DataFrameModel, variable)
        if not is_word or variable.startswith("_"):
            variable = "column_" + "".join(char if f"a{char}".isidentifier() else "_" for char in variable).strip("_")
        while variable in variables:
            variable += "_"
        variables.add(variable)
        yield _field(column, schema[column.name], variable, is_key=column.name in key)


def _field(column: ColumnProfile, dtype: pl.DataType, variable: str, *, is_key: bool) -> str:
    """Return the line of a column."""
    terms = []
    if not is_key and (column.nulls or column.rows < FEWEST_ROWS):
        terms.append("nullable=True")
    if column.pii:
        terms.append(f'pii="{column.pii}"')
    if variable != column.name:
        terms.append(f"alias={literal(column.name)}")
    nulls = f"{column.nulls:,} null of {column.rows:,}"
    comment = nulls if column.distinct is None else f"{nulls}, {column.distinct:,} different"
    return f"    {variable}: {annotation(dtype)} = Field({', '.join(terms)})  # {comment}"


def annotation(dtype: pl.DataType) -> str:
    """Return the annotation that declares a Polars type."""
    known = _ANNOTATIONS.get(str(dtype))
    if known is not None:
        return known
    if isinstance(dtype, pl.Datetime):
        return f"Annotated[pl.Datetime, {dtype.time_unit!r}, {dtype.time_zone!r}]"
    if isinstance(dtype, pl.Decimal):
        return f"Annotated[pl.Decimal, {dtype.precision}, {dtype.scale}]"
    if isinstance(dtype, pl.Duration):
        return f"Annotated[pl.Duration, {dtype.time_unit!r}]"
    if isinstance(dtype, pl.List):
        return f"Annotated[pl.List, {_code(dtype.inner)}]"
    if isinstance(dtype, pl.Struct):
        fields = ", ".join(f"{literal(field.name)}: {_code(field.dtype)}" for field in dtype.fields)
        return f"Annotated[pl.Struct, {{{fields}}}]"
    return f"pl.{dtype}" if not dtype.is_nested() else f"Annotated[pl.{type(dtype).__name__}, {_code(dtype)}]"


def _code(dtype: object) -> str:
    return re.sub(
        r"\b(?=(?:U?Int[0-9]+|Float[0-9]+|Time|Duration|Categorical|String|Boolean|Date|Datetime|List|Struct|Decimal|Binary)\b)",
        "pl.",
        str(dtype),
    )


def _imports(suggestions: Sequence[Suggestion], words: Sequence[str]) -> str:
    """Return the import of what the code uses."""
    functions = ("col", "complete", "expression", "measure", "references", "unique", "volume")
    code = " ".join(suggestion.code for suggestion in suggestions)
    used = sorted({*words, *(name for name in functions if re.search(rf"\b{name}\(", code))}, key=_import_order)
    line = f"from platform_core.contracts import {', '.join(used)}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join(["from platform_core.contracts import (", *(f"    {word}," for word in used), ")"])


def _import_order(word: str) -> tuple[bool, str]:
    return word[0].islower(), word


def _listed(suggestions: Sequence[Suggestion], indent: str) -> Iterator[str]:
    for suggestion in suggestions:
        yield f"{indent}# {suggestion.evidence}"
        yield f"{indent}{suggestion.code},"
