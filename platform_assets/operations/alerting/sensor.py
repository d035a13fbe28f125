"""The router as a sensor, so that `make dev` alerts without another process."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

from platform_assets.location import CodeLocation
from platform_assets.operations.alerting.router import OUTSIDE_KINDS, AlertRouter
from platform_core.alerting import LEVEL_KINDS

_SECONDS = 15


def router_lock(location: CodeLocation) -> FileLock:
    """Return the lock of the one router of a state folder."""
    path = Path(location.settings.state) / "alerts" / "router.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def alert_sensor(location: CodeLocation) -> dg.SensorDefinition:
    """Build the sensor that alerts; while `platform alerts run` works, it leaves the work to that."""
    routers: dict[str, AlertRouter] = {}

    @dg.sensor(name="alerts", minimum_interval_seconds=_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
    def route(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        """Tell whoever is to know of what failed, is late or is right again."""
        try:
            with router_lock(location).acquire(blocking=False):
                router = routers.get(location.settings.state)
                if router is None:
                    router = AlertRouter.open(location, context.instance, kinds=LEVEL_KINDS - OUTSIDE_KINDS)
                    routers[location.settings.state] = router
                router.instance = context.instance
                now = datetime.now(UTC)
                messages = router.run_round(now)
                delivery = router.deliver(now)
        except Timeout:
            return dg.SkipReason("platform alerts run does this")
        return dg.SkipReason(f"{len(messages)} new messages, {delivery.sent} sent, {delivery.refused} refused")

    return route
