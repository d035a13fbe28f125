r"""One regular expression means one thing: in Polars, in Python on a record, in DuckDB and so in dbt.

Patterns are written in Rust's syntax, which Polars reads. RE2, which DuckDB reads, takes `\d`, `\s` and `\w` for ASCII,
so they are spelled out for it. What the two read differently, or only one of them reads, is refused when it is
declared, with the spelling that means the same in both.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache

import polars as pl
from polars.exceptions import PolarsError

_SPACE = r"\t\n\x0B\f\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
_WORD = (
    r"\p{L}\p{M}\p{Nl}\p{Nd}\p{Pc}\x{200C}\x{200D}"
    r"\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}"
)
_UNICODE = {"d": r"\p{Nd}", "s": _SPACE, "w": _WORD}
"""What Rust's classes hold, for RE2; the two know different versions of Unicode, so that new letters may differ."""

_CATEGORIES = frozenset({
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe", "Pi",
    "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Co",
})  # fmt: skip
_LONGEST_REPEAT = 1000
"""RE2 compiles no greater one."""

_TOKEN = re.compile(
    r"\\(?:x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]+\}|[pP](?:\{[^}]*\}|[A-Za-z])|.)"
    r"|\(\?(?:P?<[A-Za-z_][A-Za-z0-9_]*>|[a-zA-Z-]*[:)]|.)|\{[^}]*\}?|&&|--|~~|.",
    re.DOTALL,
)
_QUANTIFIER = re.compile(r"[*+?]|\{[0-9]+(?:,[0-9]*)?\}")
_SAME_ESCAPES = frozenset("nrtfvaAz")
_FLAGS = {re.IGNORECASE: "i", re.DOTALL: "s"}
Flaw = tuple[str, str]


def source_of(pattern: str | re.Pattern[str]) -> str:
    """Return a pattern as a text; the flags of a compiled one stand in front."""
    if isinstance(pattern, str):
        return pattern
    flags = "".join(letter for flag, letter in _FLAGS.items() if pattern.flags & flag)
    return f"(?{flags}){pattern.pattern}" if flags else str(pattern.pattern)


def anchored(source: str) -> str:
    """Return the pattern at the start of a text: every alternative of it, and with its flags still in front."""
    flags = re.match(r"\(\?[a-z]+\)", source)
    front = flags.group() if flags else ""
    rest = source[len(front) :]
    return source if rest.startswith("^") and "|" not in rest else f"{front}^(?:{rest})"


def for_re2(source: str) -> str:
    """Return the pattern as RE2 must read it to mean what Polars takes it for."""
    parts, in_class = [], False
    for part in _tokens(source):
        if part in ("[", "]"):
            in_class = part == "["
        parts.append(_re2_token(part, in_class=in_class))
    return "".join(parts)


def _re2_token(part: str, *, in_class: bool) -> str:
    if part == "$" and not in_class:
        return r"\z"  # elsewhere `$` may stand before a line break at the end, too
    if not part.startswith("\\"):
        return part
    letter = part[1]
    if letter in _UNICODE:
        return _UNICODE[letter] if in_class else f"[{_UNICODE[letter]}]"
    if letter == "D":
        return r"\P{Nd}"
    if letter in "SW":
        return f"[^{_UNICODE[letter.lower()]}]"
    return f"\\x{{{part[2:].strip('{}')}}}" if letter == "u" else part


def is_read_alike(source: str) -> bool:
    r"""Whether RE2, PostgreSQL and Java read a pattern in RE2's spelling alike.

    They differ in classes and flags, and in a dot, which ends at a line's end in some; brackets hold a plain dot.
    """
    in_class = False
    for part in _tokens(source):
        if part in ("[", "]"):
            in_class = part == "["
        is_class = part.startswith("\\") and part[1].isalnum() and part != r"\z"
        if is_class or (part.startswith("(?") and part != "(?:") or (part == "." and not in_class):
            return False
    return True


def search_by(source: str) -> Callable[[str], bool]:
    """Return a function that is true of a text in which the pattern is found.

    Python's own engine reads ASCII texts, where it agrees; Polars reads the others, at a tenth of the speed.
    """
    quick = _python(source)

    def search(text: str) -> bool:
        if quick is not None and text.isascii():
            return quick.search(text) is not None
        return bool(pl.select(pl.lit(text).str.contains(source)).item())

    return search


@cache
def _python(source: str) -> re.Pattern[str] | None:
    """Return the pattern in Python's syntax for ASCII texts; None where Python cannot say it."""
    parts, in_class = [], False
    for part in _tokens(source):
        if part in ("[", "]"):
            in_class = part == "["
        if part.startswith(("\\p", "\\P", "(?")) and part != "(?:":
            return None
        if part == "\\z" or (part == "$" and not in_class):
            parts.append(r"\Z")
        elif part.startswith(("\\x{", "\\u{")):
            parts.append(re.escape(chr(int(part[3:-1], 16))))
        else:
            parts.append(part)
    try:
        return re.compile("".join(parts), re.ASCII)
    except re.error:
        return None


def _tokens(source: str) -> Iterator[str]:
    """Yield the parts of a pattern; within brackets every character is one, but for escapes and set operators."""
    place, in_class, first = 0, False, False
    while place < len(source):
        token = _TOKEN.match(source, place)
        part = token.group() if token else source[place]
        if in_class:
            if not part.startswith("\\") and part not in ("&&", "--", "~~"):
                part = part[0]
            if part == "]" and not first:
                in_class = False
            elif part == "]":
                part = r"\]"
                place -= 1
            elif part == "[":
                part = r"\["
                place -= 1
            first = first and part == "^"
        elif part == "[":
            in_class, first = True, True
        elif part in ("--", "~~", "&&"):
            part = part[0]
        yield part
        place += len(part)


def flaws_of(pattern: object) -> Iterator[Flaw]:
    """Yield what of a pattern is refused: message and fix."""
    if not isinstance(pattern, str | re.Pattern) or isinstance(getattr(pattern, "pattern", ""), bytes):
        yield f"has the pattern {pattern!r}, which is no text.", "write the pattern as a text."
        return
    if isinstance(pattern, re.Pattern) and pattern.flags & ~(re.IGNORECASE | re.DOTALL | re.UNICODE):
        yield f"has the pattern {pattern!r} with flags that not all engines have.", "spell out what they mean."
    source = source_of(pattern)
    refused = list(_refused(source))
    for spelling, fix in refused:
        yield f"has the pattern {source!r}, in which {spelling} does not mean the same in Polars and in SQL.", fix
    if not refused:
        yield from _uncompiled(source)


def _uncompiled(source: str) -> Iterator[Flaw]:
    try:
        pl.select(pl.lit("").str.contains(source))
    except PolarsError as error:
        reason = re.sub(r"\s+", " ", str(error)).strip()
        yield (
            f"has the pattern {source!r}, which cannot be compiled: {reason}.",
            "use the regex crate's syntax (no look-around, no back-references).",
        )


def _refused(source: str) -> Iterator[tuple[str, str]]:
    in_class, before = False, ""
    for part in _tokens(source):
        if in_class:
            yield from _refused_in_class(part)
        elif part.startswith("\\"):
            yield from _refused_escape(part)
        elif part.startswith("(?"):
            yield from _refused_group(part, at_start=not before)
        elif _QUANTIFIER.fullmatch(part) and _QUANTIFIER.fullmatch(before) and part != "?":
            yield f"{before}{part}", "put the repeated part between (?: and )."
        elif part.startswith("{"):
            yield from _refused_repeat(part)
        if part in ("[", "]"):
            in_class = part == "["
        before = part


def _refused_in_class(part: str) -> Iterator[tuple[str, str]]:
    if part in ("&&", "--", "~~"):
        yield f"{part!r} within brackets", f"write it as {chr(92)}{part[0]}, or name the characters one by one."
    elif part == r"\[":
        yield "'[' within brackets", r"write it as \[."
    elif part in (r"\S", r"\W"):
        yield f"{part} within brackets", f"write (?:{part}|[...]) instead."
    elif part == r"\b":
        yield r"\b within brackets", r"write \x08."
    elif part.startswith("\\"):
        yield from _refused_escape(part)


def _refused_escape(part: str) -> Iterator[tuple[str, str]]:
    letter = part[1]
    if letter in "bB<>":
        yield part, "say which characters may stand there, such as (?:^|[^0-9A-Za-z])."
    elif letter == "Z":
        yield part, r"write \z."
    elif letter in "123456789":
        yield part, "it refers back to a group, which neither can; write the part again."
    elif letter in "pP" and part[2:].strip("{}") not in _CATEGORIES:
        yield part, "use a general category, such as \\p{L} or \\p{Lu}, or name the characters."
    elif letter.isalnum() and letter not in _SAME_ESCAPES and letter not in "dDsSwWpPxu":
        yield part, "write the character itself."
    elif not letter.isascii():
        yield part, "write the character without the backslash."


def _refused_group(part: str, *, at_start: bool) -> Iterator[tuple[str, str]]:
    if part == "(?:" or (part.startswith(("(?P<", "(?<")) and part.endswith(">")):
        return
    flags = re.fullmatch(r"\(\?([is]+)\)", part)
    if not (flags and at_start):
        yield f"{part!r}", "only (?:...), names, and (?i) or (?s) at the very start; no look-around, no other flag."


def _refused_repeat(part: str) -> Iterator[tuple[str, str]]:
    if not _QUANTIFIER.fullmatch(part):
        yield f"{part!r}", r"write a count as {2}, {2,} or {2,5}, and the character as \{."
    elif any(int(count) > _LONGEST_REPEAT for count in re.findall("[0-9]+", part)):
        yield f"{part!r}", f"repeat at most {_LONGEST_REPEAT} times, or bound the length by str_length."
