"""What holds for every test: none of them is about time, so none of them fails on a busy machine."""

from hypothesis import HealthCheck, settings

from platform_assets.entrypoints.interrupts import heed_interrupts

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
heed_interrupts()
