"""A project beside the platform, as `platform init` makes it: small, complete, and working as it stands."""

import keyword
from pathlib import Path

from platform_assets.operations.errors import RequestError

_PLACEHOLDER = "my_company"
_FILES = {
    "pyproject.toml": """[project]
name = "my_company"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["dagster-asset-platform"]

[tool.setuptools.packages.find]
include = ["my_company*"]

[tool.dagster]
module_name = "my_company.definitions"

[tool.dg]
directory_type = "project"       # `dg launch --assets shop/orders` works in this folder

[tool.dg.project]
root_module = "my_company"
code_location_target_module = "my_company.definitions"

[tool.platform]
package = "my_company.domains"   # what `platform` works on when it is called in this folder

[tool.pytest.ini_options]
pythonpath = ["."]
""",
    "Makefile": """# Set PYTHON to the Python that has the platform installed.
PYTHON ?= python
export PLATFORM_STATE ?= $(CURDIR)/.platform
export DAGSTER_HOME ?= $(PLATFORM_STATE)/dagster

# A script starts what it puts in the background with SIGINT ignored, and Dagster then ignores SIGTERM as well.
HEEDING := $(PYTHON) -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); \\
  os.execv(sys.executable, [sys.executable, *sys.argv[1:]])'

.PHONY: demo dev test
demo: $(DAGSTER_HOME)/dagster.yaml  ## lands the sample and brings everything up to date
	@mkdir -p $(PLATFORM_STATE)/landing && cp -R samples/. $(PLATFORM_STATE)/landing/
	@$(PYTHON) -m platform_assets.entrypoints.cli catch-up

dev: $(DAGSTER_HOME)/dagster.yaml  ## the Dagster UI, its daemon, the stream worker and the catalog on http://localhost:3000
	@exec $(HEEDING) -m platform_assets.entrypoints.cli dev

test:  ## the tests of this project
	@$(PYTHON) -m pytest -q

$(DAGSTER_HOME)/dagster.yaml: dagster.yaml
	@mkdir -p $(@D) && cp $< $@
""",
    "workspace.yaml": """load_from:
  - python_module:
      module_name: my_company.definitions
      working_directory: .
      location_name: my_company
""",
    "dagster.yaml": """# Dagster's instance, for a laptop. `make` copies it to DAGSTER_HOME.
telemetry:
  enabled: false

nux:
  enabled: false          # no window that asks to join a community

python_logs:
  python_log_level: INFO   # below it Dagster prints a line for each event of each step

concurrency:
  pools:
    default_limit: 1      # every table has a pool of its own: one writer at a time
    granularity: op
  runs:
    max_concurrent_runs: 2

run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1   # Dagster's own is 5: so long would a run wait that nothing holds up

# A run whose process died is tried again; a run that failed by itself is not, for it would fail again.
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false

run_monitoring:
  enabled: true
  poll_interval_seconds: 10
  start_timeout_seconds: 120
  free_slots_after_run_end_seconds: 10   # a dead run would keep its pools from the next try for ever

freshness:
  enabled: true
""",
    ".gitignore": ".platform/\n__pycache__/\n*.egg-info/\n",
    "README.md": """# my_company

    make demo    # lands samples/<domain>/, fills the tables, shows them
    make dev     # the Dagster UI on http://localhost:3000, the catalog, and the worker of streams
    make test

A dataset is a module below `my_company/domains/<domain>/`, beside an `__init__.py`. Called in this folder, `platform
datasets` lists them, and `platform dbt new <domain>/<model> --source <domain>/<dataset>` begins a mart.
""",
    "samples/shop/orders-2024-01.csv": """order,customer,total_cents,ordered_at
1,ada,1250,2024-01-02T09:30:00Z
2,grace,990,2024-01-02T17:05:00Z
3,ada,-5,2024-01-03T08:00:00Z
""",
    "my_company/__init__.py": '"""The data of my_company."""\n',
    "my_company/definitions.py": '''"""The code location of my_company: what `dagster dev` loads."""

from pathlib import Path

from platform_assets.composition import build_definitions

defs = build_definitions("my_company.domains", dbt=Path(__file__).parents[1] / "dbt")
''',
    "my_company/domains/__init__.py": '"""What there is: one folder a domain, one module a dataset."""\n',
    "my_company/domains/shop/__init__.py": '"""The shop."""\n',
    "my_company/domains/shop/orders.py": '''"""Orders, as the shop sends them."""

from platform_core.contracts import DataFrameModel, Dataset, Delta, Field, Files, Quarantine, UtcTimestamp


class Orders(DataFrameModel):
    """One row per order."""

    order: int = Field(gt=0, description="Its number")
    customer: str = Field(description="Who ordered")
    total_cents: int = Field(ge=0, unit="euro cents", description="What was paid")
    ordered_at: UtcTimestamp = Field(description="When it was placed")


orders = Dataset(
    "shop/orders",
    Orders,
    owner="team:shop",
    version="1.0.0",
    key=("order",),
    source=Files("orders-*.csv"),
    store=Delta(mode="merge"),
    quarantine=Quarantine(),
)
''',
    "dbt/dbt_project.yml": """name: my_company
version: "1.0.0"
config-version: 2
profile: platform        # made by the platform from its settings
model-paths: ["models"]
flags:
  send_anonymous_usage_stats: false
models:
  my_company:
    +materialized: table
    shop:
      +schema: shop
      +meta:
        dagster:
          group: shop
          owners: ["team:shop"]
""",
    "dbt/models/shop/_models.yml": """version: 2
models:
  - name: revenue_by_customer
    description: What each customer paid
    columns:
      - name: customer
        data_type: varchar
        description: Who ordered
        data_tests: [unique, not_null]
      - name: total_cents
        data_type: bigint
        description: Sum of their orders
""",
    "dbt/models/shop/revenue_by_customer.sql": """select customer, sum(total_cents)::bigint as total_cents
from {{ source("shop", "orders") }}
group by customer
order by customer
""",
    "tests/test_orders.py": '''"""The sample runs through the whole graph: good rows are stored, bad ones set aside."""

from pathlib import Path

import dagster as dg

from platform_assets.composition import build_location
from platform_assets.ingest import table_spec
from platform_assets.operations.catch_up import run_catch_up, stale_runs
from platform_resources.settings import Settings

PROJECT = Path(__file__).parents[1]


def test_good_orders_are_stored_and_bad_ones_set_aside(tmp_path: Path) -> None:
    settings = Settings.from_environment({"PLATFORM_STATE": str(tmp_path)})
    location = build_location("my_company.domains", settings, dbt=PROJECT / "dbt")
    location.landing.put("shop/orders-1.csv", (PROJECT / "samples" / "shop" / "orders-2024-01.csv").read_bytes())
    with dg.DagsterInstance.ephemeral() as instance:
        for run in stale_runs(location, instance):
            assert not [event for event in run_catch_up(run, location.defs, instance) if event.is_step_failure]
    stored = location.lake.scan(table_spec(location.catalog["shop/orders"])).collect()
    assert sorted(stored["order"]) == [1, 2]
''',
}


def create_project(name: str, target: Path) -> list[str]:
    """Write a new project into a folder; the paths of its files below it.

    Raises:
        RequestError: The name is no name of a package, or the folder is there and not empty.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower():
        raise RequestError(f"{name!r} is no name of a package. Fix: use small letters, digits and _, as in my_company.")
    if target.exists() and any(target.iterdir()):
        raise RequestError(f"{target}: is there already, and not empty. Fix: name another --folder.")
    files = {path.replace(_PLACEHOLDER, name): text.replace(_PLACEHOLDER, name) for path, text in _FILES.items()}
    for path, text in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text)
    return list(files)
