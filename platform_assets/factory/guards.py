"""Assets written by hand ask what stops them before they work, as declared ones do.

What a step loads, the IO manager asks about. What it only depends on (`deps`) is never loaded, so the question is put
in front of the function. The definition that a module holds stays as it was written, for its own tests.
"""

import copy
import functools
import inspect
from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

from platform_assets.factory.red_checks import RedChecks, refuse_below_red


def guarded(asset: dg.AssetsDefinition, red_checks: RedChecks) -> dg.AssetsDefinition:
    """Return the asset as one that is not built while a blocking check of what it depends on is red.

    Checks alone are left as they are, for they look at what is red to say whether it still is; so is a graph, whose
    steps load what they read.
    """
    attributes = asset.get_attributes_dict()
    op = attributes["node_def"]
    if not isinstance(op, dg.OpDefinition) or not any(red_checks.parents.get(key) for key in asset.keys):
        return asset
    return type(asset)(**{**attributes, "node_def": _guarded(op, lambda: _refuse(red_checks, asset.keys))})


def _refuse(red_checks: RedChecks, keys: AbstractSet[dg.AssetKey]) -> None:
    context = dg.OpExecutionContext.get()
    partitions = context.partition_keys if context.has_partition_key_range or context.has_partition_key else None
    for key in sorted(keys & context.selected_asset_keys if context.has_assets_def else keys):
        red = red_checks.stopping(context.instance, key, partitions=partitions if key in red_checks.divided else None)
        refuse_below_red(key.to_user_string(), red)


def _guarded(op: dg.OpDefinition, refuse: Callable[[], None]) -> dg.OpDefinition:
    written = op.compute_fn
    compute = (
        type(written)(_asking(written.decorated_fn, refuse))
        if isinstance(written, DecoratedOpFunction)
        else _asking(written, refuse)
    )
    asking = copy.copy(op)  # made anew, its outputs would be inferred from the annotations once more
    asking._compute_fn = compute  # noqa: SLF001 - there is no public way to say it
    return asking


def _asking(function: Callable[..., Any], refuse: Callable[[], None]) -> Callable[..., Any]:
    """Yield the function, of the same kind and signature, behind the question."""
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def events(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            refuse()
            async for event in function(*args, **kwargs):
                yield event

        return events
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def result(*args: Any, **kwargs: Any) -> Any:
            refuse()
            return await function(*args, **kwargs)

        return result

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        refuse()
        return function(*args, **kwargs)

    return called
