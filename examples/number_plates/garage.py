"""The cars of a garage, whose plates are made, judged and measured by the plug-ins beside; it imports none of them."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Generated, Quarantine, Threshold, rules_from


class Cars(DataFrameModel):
    """One row per car."""

    car: int = Field(ge=1, description="The garage's number")
    plate: str = Field(nullable=True, description="The plate, where it has one")
    kilometres: int = Field(ge=0, le=900_000, unit="kilometres", description="How far it went")


cars = Dataset(
    "garage/cars",
    Cars,
    owner="team:garage",
    version="1.0.0",
    key=("car",),
    source=Generated(rows=400, seed=1),
    store=Delta(mode="merge"),
    rules=rules_from([{"type": "number_plate", "field": "plate"}]),
    thresholds=[Threshold("towns", at_least=2)],
    quarantine=Quarantine(),
    synthetic={
        "schema": [
            {"name": "plate", "generator": "number_plate", "null_rate": 0.05},
            {"name": "kilometres", "distribution": "lognormal", "mean": 11, "std": 0.7},
        ]
    },
)
