"""The policy of the file of alerts, and where each dataset stands in the graph."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from platform_assets.location import CodeLocation
from platform_core.alerting import KINDS, AlertPolicy, Place, Quiet, Route, Silence
from platform_core.contracts import Balance, Dataset, ReferenceRule, rules_of
from platform_resources.alerts import Outbox
from platform_resources.errors import SettingsError

_ROUTE = {"channels", "severity", "kinds", "owners", "domains", "tags", "datasets", "quiet", "repeat_hours"}
_QUIET = {"from", "to", "zone", "but"}
_SEVERITIES = ("warn", "error")


def policy_of(
    routes: Sequence[Mapping[str, Any]], channels: Sequence[str], outbox: Outbox, now: datetime
) -> AlertPolicy:
    """Make the policy of the routes' tables and the silences that stand; without a route all goes to all channels.

    Raises:
        SettingsError: Something in a route is wrong.
    """
    parsed_routes = [_route(number, table) for number, table in enumerate(routes, 1)]
    silences = [
        Silence(
            pattern=silence.pattern,
            kinds=silence.kinds,
            until=datetime.fromtimestamp(silence.until, UTC),
            reason=silence.reason,
        )
        for silence in outbox.silences(now)
    ]
    return AlertPolicy(routes=parsed_routes or [Route(channels=channels)], silences=silences)


def _route(number: int, table: Mapping[str, Any]) -> Route:
    _refuse_others(number, "", table, _ROUTE)
    _refuse_others(number, "kinds ", dict.fromkeys(table.get("kinds", ())), set(KINDS))
    severity = table.get("severity", "warn")
    if severity not in _SEVERITIES:
        raise _wrong(number, f"has severity {severity!r}", _SEVERITIES)
    repeat = table.get("repeat_hours")
    return Route(
        channels=table.get("channels", ()),
        severity=severity,
        kinds=table.get("kinds", ()),
        owners=table.get("owners", ()),
        domains=table.get("domains", ()),
        tags=table.get("tags", ()),
        datasets=table.get("datasets", ()),
        quiet=_quiet(number, table["quiet"]) if "quiet" in table else None,
        repeat=timedelta(hours=repeat) if repeat else None,
    )


def _quiet(number: int, table: Mapping[str, Any]) -> Quiet:
    _refuse_others(number, "quiet ", table, _QUIET)
    but = table.get("but", "error")
    if but not in (*_SEVERITIES, "none"):
        raise _wrong(number, f"has quiet.but {but!r}", (*_SEVERITIES, "none"))
    try:
        return Quiet(
            start=time.fromisoformat(table["from"]),
            end=time.fromisoformat(table["to"]),
            zone=ZoneInfo(table.get("zone", "UTC")),
            but=None if but == "none" else but,
        )
    except (KeyError, ValueError, TypeError, ZoneInfoNotFoundError) as error:
        raise _wrong(
            number, f"has quiet hours that cannot be read ({error})", ('{from = "22:00", to = "07:00"}',)
        ) from error


def _refuse_others(number: int, where: str, table: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = sorted(table.keys() - allowed)
    if unknown:
        raise _wrong(number, f"has {where}{unknown[0]!r}", tuple(sorted(allowed)))


def _wrong(number: int, problem: str, allowed: Sequence[str]) -> SettingsError:
    return SettingsError(
        "PLATFORM_ALERTS", f"route {number} {problem}", allowed=allowed, fix=f"correct [[routes]] {number}"
    )


def places_of(location: CodeLocation) -> Callable[[str], Place]:
    """Return where each subject stands: datasets by their declarations, all others nowhere."""
    catalog = location.catalog
    above = {name: _reads(catalog.transforms, dataset) for name, dataset in catalog.datasets.items()}
    below: dict[str, set[str]] = {}
    for name, inputs in above.items():
        for input_ in inputs:
            below.setdefault(input_, set()).add(name)

    @cache
    def place(name: str) -> Place:
        dataset = catalog.datasets.get(name)
        if dataset is None:
            return Place(domain=name.partition("/")[0] if "/" in name else "")
        return Place(
            owner=dataset.owner,
            domain=dataset.domain,
            tags=tuple(dataset.tags),
            ancestors=frozenset(_reached(name, above)),
            below=len(_reached(name, below)),
        )

    return place


def _reads(transforms: Mapping[str, Any], dataset: Dataset) -> set[str]:
    transform = transforms.get(dataset.name)
    inputs = {transform.input_name(name) for name in transform.parameters} if transform else set()
    return inputs | {rule.dataset for rule in rules_of(dataset) if isinstance(rule, ReferenceRule | Balance)} - {
        dataset.name
    }


def _reached(name: str, steps: Mapping[str, set[str]]) -> set[str]:
    reached, ahead = set[str](), [name]
    while ahead:
        for follower in steps.get(ahead.pop(), ()):
            if follower not in reached:
                reached.add(follower)
                ahead.append(follower)
    return reached - {name}
