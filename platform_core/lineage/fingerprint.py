"""The version of a function's code: what it does, with all that it calls and the constants it names.

Comments, blank lines and annotations do not count. Whatever else changes makes another version, even where the result
stays the same: an observation that outlives its code would be a lie, one that is made again costs a second.
"""

import builtins
import hashlib
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

_PLAIN = (str, int, float, bool, bytes, type(None), tuple, frozenset)


def code_version(function: Callable[..., object], *beside: object) -> str:
    """Return a digest of a function and of the functions and constants that it reaches by name.

    Args:
        function: Whatever it is wrapped in is left aside where it says what it wraps.
        beside: What else the version stands for, such as the schemas of the inputs; by their representation.
    """
    digest = hashlib.sha256()
    for part in (*_parts(function, set()), *(repr(each) for each in beside)):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def code_constants(function: Callable[..., object]) -> frozenset[object]:
    """Return the plain values that stand in a function and in those it reaches, those inside of tuples included."""
    found: set[object] = set()
    for code in _codes(function, set()):
        waiting = list(code.co_consts)
        while waiting:
            value = waiting.pop()
            if isinstance(value, tuple | frozenset):
                waiting += value
            elif isinstance(value, str | int | float) and not isinstance(value, bool):
                found.add(value)
    return frozenset(found)


def _codes(function: Callable[..., object], seen: set[int]) -> Iterator[CodeType]:
    inner = getattr(function, "__wrapped__", function)
    code = getattr(inner, "__code__", None)
    if code is None or id(code) in seen:
        return
    seen.add(id(code))
    yield from _nested(code)
    for _, value in _named(inner):
        if isinstance(value, FunctionType) and _is_own(value, inner):
            yield from _codes(value, seen)


def _parts(function: Callable[..., object], seen: set[int]) -> Iterator[str]:
    inner = getattr(function, "__wrapped__", function)
    code = getattr(inner, "__code__", None)
    if code is None or id(code) in seen:
        return
    seen.add(id(code))
    for each in _nested(code):
        yield each.co_code.hex()
        yield repr((each.co_names, each.co_varnames, each.co_freevars))
        yield repr([value for value in each.co_consts if not isinstance(value, CodeType)])
    yield repr(getattr(inner, "__defaults__", None))
    for cell in getattr(inner, "__closure__", None) or ():
        if isinstance(cell.cell_contents, FunctionType):
            yield from _parts(cell.cell_contents, seen)
        elif isinstance(cell.cell_contents, _PLAIN):
            yield repr(cell.cell_contents)
    for name, value in _named(inner):
        if isinstance(value, FunctionType) and _is_own(value, inner):
            yield name
            yield from _parts(value, seen)
        elif isinstance(value, (*_PLAIN, list, dict, set)):
            yield f"{name}={value!r}"


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _nested(value)


def _named(function: Callable[..., object]) -> Iterator[tuple[str, object]]:
    """Yield what the names in a function mean in its module, and in modules of its own package that it names."""
    scope = getattr(function, "__globals__", {})
    names = dict.fromkeys(name for code in _nested(function.__code__) for name in code.co_names)
    for name in names:
        value = scope.get(name, getattr(builtins, name, None))
        if isinstance(value, ModuleType) and value.__name__.split(".")[0] == function.__module__.split(".")[0]:
            yield from ((other, getattr(value, other)) for other in names if hasattr(value, other))
        elif value is not None and not isinstance(value, BuiltinFunctionType):
            yield name, value


def _is_own(value: FunctionType, function: Callable[..., object]) -> bool:
    return value.__module__.split(".")[0] == function.__module__.split(".")[0]
