"""The version of a function's code: what it does, with all of its own package that it reaches by name.

Followed are functions, methods, classes, partial calls and what decorators wrap; defaults, closures, modules of the
package at any depth; and constants, frames and expressions among them. Comments and blank lines do not count. Whatever
else changes makes another version, even where the result stays the same: an observation that outlives its code would
be a lie, one that is made again costs a second. Not seen are files that a function reads, and other packages.
"""

import functools
import hashlib
import pickle
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import polars as pl

_PLAIN = (str, int, float, complex, bool, bytes, type(None), type(Ellipsis))
_PICKLED = ("numpy", "pandas", "pyarrow")
"""Libraries whose representations leave out what does not fit a line."""


def code_version(function: Callable[..., object], *beside: object) -> str:
    """Return a digest of a function and of what it reaches by name, the same in every process.

    Args:
        function: Of a module.
        beside: What else the version stands for, such as the schemas of the inputs; by their representation.
    """
    reading = _Reading(_package(function))
    reading.read(function)
    digest = hashlib.sha256()
    for part in (*reading.parts, *(repr(extra) for extra in beside)):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def code_constants(function: Callable[..., object]) -> frozenset[object]:
    """Return the texts and numbers that stand in a function and in what it reaches, those inside of tuples included."""
    reading = _Reading(_package(function))
    reading.read(function)
    return frozenset(reading.constants)


def _package(value: Any) -> str:
    return str(getattr(value, "__module__", "") or "").split(".", maxsplit=1)[0]


class _Reading:
    """What a value is made of, as texts in an order that no process changes."""

    def __init__(self, package: str) -> None:
        self.parts: list[str] = []
        self.constants: set[object] = set()
        self._package = package
        self._seen: dict[int, tuple[int, object]] = {}  # holds what it saw, so that no id is given anew

    def read(self, value: Any) -> None:
        """Add the parts of a value."""
        if isinstance(value, _PLAIN):
            self.parts.append(repr(value))
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                self.constants.add(value)
            return
        if id(value) in self._seen:
            self.parts.append(f"again {self._seen[id(value)][0]}")
            return
        self._seen[id(value)] = len(self._seen), value
        self.parts.append(type(value).__qualname__)
        self._read_parts(value)

    def _read_parts(self, value: Any) -> None:  # noqa: C901, PLR0912 - a branch a kind
        if isinstance(value, CodeType):
            self.parts += [value.co_code.hex(), repr((value.co_names, value.co_varnames, value.co_freevars))]
            self._read_all(value.co_consts)
        elif isinstance(value, FunctionType):
            self._read_function(value)
        elif isinstance(value, functools.partial):
            self._read_all((value.func, value.args, value.keywords))
        elif isinstance(value, MethodType):
            self._read_all((value.__func__, value.__self__))
        elif isinstance(value, classmethod | staticmethod):
            self.read(value.__func__)
        elif isinstance(value, property):
            self._read_all((value.fget, value.fset))
        elif isinstance(value, type):
            self._read_class(value)
        elif isinstance(value, tuple | list):
            self._read_all(value)
        elif isinstance(value, set | frozenset):
            self._read_all(sorted(value, key=repr))
        elif isinstance(value, Mapping):
            self._read_all([part for item in value.items() for part in item])
        elif isinstance(value, ModuleType | BuiltinFunctionType):
            self.parts.append(f"{getattr(value, '__module__', '')}.{value.__name__}")
        elif hasattr(value, "__wrapped__"):  # such as what functools.cache makes
            self.read(value.__wrapped__)
        else:
            self._read_instance(value)

    def _read_all(self, values: Any) -> None:
        self.parts.append(f"{len(values)} parts")
        for value in values:
            self.read(value)

    def _read_function(self, function: FunctionType) -> None:
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        if _package(function) != self._package:
            self.parts.append(f"{function.__module__}.{function.__qualname__}")
            self._read_all([cell for cell in cells if _package(cell) == self._package])
            return
        self._read_all((function.__code__, function.__defaults__, function.__kwdefaults__, *cells))
        for name, value in self._named(function):
            self.parts.append(name)
            self.read(value)

    def _read_class(self, value: type) -> None:
        self.parts.append(f"{value.__module__}.{value.__qualname__}")
        if _package(value) != self._package:
            return
        self._read_all(value.__bases__)
        for name, part in sorted(vars(value).items()):
            if isinstance(part, FunctionType | classmethod | staticmethod | property) or not name.startswith("_"):
                self.parts.append(name)
                self.read(part)

    def _read_instance(self, value: Any) -> None:
        if isinstance(value, pl.Expr):
            self.parts.append(value.meta.serialize().hex())
        elif isinstance(value, pl.LazyFrame | pl.DataFrame):
            self.parts.append(value.lazy().serialize().hex())
        elif isinstance(value, pl.Series):
            self.parts.append(value.to_frame().lazy().serialize().hex())
        elif _package(type(value)) in _PICKLED:
            self.parts.append(pickle.dumps(value).hex())
        elif _package(type(value)) == self._package:
            self.read(type(value))
            self.read({name: part for name, part in getattr(value, "__dict__", {}).items() if name[:2] != "__"})
            self._read_all([getattr(value, name, None) for name in getattr(value, "__slots__", ())])
        else:
            shown = repr(value)
            self.parts.append(shown if " at 0x" not in shown else f"{type(value).__module__}")

    def _named(self, function: FunctionType) -> Iterator[tuple[str, Any]]:
        """Yield what the names in a function mean in its module, and in modules of its package that it names."""
        names = list(dict.fromkeys(name for code in _nested(function.__code__) for name in code.co_names))
        globals_used = [(name, function.__globals__[name]) for name in names if name in function.__globals__]
        entered: list[ModuleType] = []
        while globals_used:
            name, value = globals_used.pop(0)
            if isinstance(value, ModuleType) and value.__name__.split(".", maxsplit=1)[0] == self._package:
                if value not in entered:
                    entered.append(value)
                    globals_used += [(other, vars(value)[other]) for other in names if other in vars(value)]
            else:
                yield name, value


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _nested(value)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True
