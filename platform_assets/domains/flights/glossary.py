"""What the flights domain means by its words."""

from platform_core.contracts import Term

delay = Term(
    "Delay",
    "Minutes between the scheduled and the actual time; below zero where a flight was early.",
    columns=(
        "flights/flights.dep_delay",
        "flights/daily_delays.mean_dep_delay",
        "flights/daily_delays.delayed_share",
    ),
    owner="team:aviation",
)
