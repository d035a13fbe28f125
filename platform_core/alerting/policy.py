"""Who is told: routes to channels, hours of quiet, and silences that people asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from fnmatch import fnmatchcase

from platform_core.alerting.signals import Place, Severity, Signal, is_worse

Places = Callable[[str], Place]
"""Where each subject stands."""

JOURNAL = "journal"
"""The channel that is told everything, whatever the routes say."""


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """Hours in which messages wait.

    Attributes:
        start: The first minute of quiet, in the zone.
        end: The first minute after it; before `start` where the night lies between.
        zone: Of both.
        but: The severity that does not wait; None where all do.
    """

    start: time
    end: time
    zone: tzinfo = UTC
    but: Severity | None = "error"

    def until(self, at: datetime, severity: str) -> datetime | None:
        """Return when a message of that instant may be sent; None where it need not wait."""
        if self.but is not None and not is_worse(self.but, severity):
            return None
        local = at.astimezone(self.zone)
        now = local.time().replace(tzinfo=None)
        overnight = self.end <= self.start
        is_quiet = (now >= self.start or now < self.end) if overnight else self.start <= now < self.end
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=1 if overnight and now >= self.start else 0)
        return datetime.combine(day, self.end, self.zone).astimezone(UTC)


@dataclass(frozen=True, kw_only=True)
class Route:
    """Alerts that go to channels; what is empty admits all.

    Attributes:
        channels: Their names.
        severity: The least severity.
        kinds: Of alerts.
        owners: Of datasets.
        domains: Of datasets.
        tags: One of them is enough.
        datasets: Patterns such as `flights/*`; `flights/flights+` is it and all that is made of it.
        quiet: When messages wait.
        repeat: After how long an open incident is told again; None never.
    """

    channels: Sequence[str]
    severity: Severity = "warn"
    kinds: Sequence[str] = ()
    owners: Sequence[str] = ()
    domains: Sequence[str] = ()
    tags: Sequence[str] = ()
    datasets: Sequence[str] = ()
    quiet: Quiet | None = None
    repeat: timedelta | None = None

    def takes(self, signal: Signal, place: Place) -> bool:
        """Tell whether a signal goes this way."""
        return (
            not is_worse(self.severity, signal.severity)
            and (not self.kinds or signal.kind in self.kinds)
            and (not self.owners or place.owner in self.owners)
            and (not self.domains or place.domain in self.domains)
            and (not self.tags or not set(self.tags).isdisjoint(place.tags))
            and (not self.datasets or any(selects(pattern, signal.subject, place) for pattern in self.datasets))
        )


def selects(pattern: str, subject: str, place: Place) -> bool:
    """Tell whether a pattern means a subject: by its name, or with `+` behind it by what it is made of."""
    name = pattern.removesuffix("+")
    if fnmatchcase(subject, name):
        return True
    return pattern.endswith("+") and any(fnmatchcase(ancestor, name) for ancestor in place.ancestors)


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Alerts that nobody is told of for a while; one that is still open when it ends is told then.

    Attributes:
        pattern: As in `Route.datasets`.
        until: The end, open.
        kinds: Of alerts; empty for all.
        reason: For whoever finds it.
    """

    pattern: str
    until: datetime
    kinds: Sequence[str] = ()
    reason: str = ""

    def covers(self, signal: Signal, place: Place, now: datetime) -> bool:
        """Tell whether a signal is silenced now."""
        return (
            now < self.until
            and (not self.kinds or signal.kind in self.kinds)
            and selects(self.pattern, signal.subject, place)
        )


@dataclass(frozen=True, kw_only=True)
class AlertPolicy:
    """All routes and silences."""

    routes: Sequence[Route] = ()
    silences: Sequence[Silence] = field(default=())

    def routes_of(self, signal: Signal, place: Place) -> list[Route]:
        """Return the routes of a signal; the journal's is always the first."""
        return [Route(channels=(JOURNAL,)), *(route for route in self.routes if route.takes(signal, place))]

    def is_silenced(self, signal: Signal, place: Place, now: datetime) -> bool:
        """Tell whether a silence covers a signal now."""
        return any(silence.covers(signal, place, now) for silence in self.silences)
