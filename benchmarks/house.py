"""Counts what a newcomer meets: lines, empty names, branches on kinds, private calls, modules that a flow crosses.

`python benchmarks/house.py [CHECKOUT]` reads the checkout as text and runs three flows in it; nothing is timed.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("platform_core", "platform_resources", "platform_assets")
VAGUE = {
    "each", "found", "told", "held", "known", "made", "wanted", "said", "given", "kept", "taken", "shown", "chosen",
    "opened", "came",
}  # fmt: skip
VENDORS = (
    "dagster",
    "dagster_dbt",
    "pandera",
    "polars",
    "pyiceberg",
    "deltalake",
    "botocore",
    "boto3",
    "dbt",
    "duckdb",
)
SOURCES = {"Files", "Generated", "Database", "Rest", "Topic", "Cdc", "Push"}
RULES = {"RowRule", "DatasetRule", "ReferenceRule", "CheckRule"}

FLOW = """
import json, sys
from pathlib import Path
root, state, flow = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
sys.path.insert(0, root)
modules, calls = {}, 0
def hook(frame, event, argument):
    global calls
    if event == "call":
        name = frame.f_code.co_filename
        if "/platform_" in name and name.startswith(root):
            calls += 1
            modules[name] = modules.get(name, 0) + 1
if flow == "datasets":
    from platform_assets.entrypoints.cli import main
    sys.argv = ["platform", "--package", "docs_src.tutorial", "datasets"]
    def act():
        try:
            main()
        except SystemExit:
            pass
elif flow == "convert":
    from platform_assets.entrypoints.cli import main
    sys.argv = ["platform", "convert", f"{root}/docs_src/tutorial/landing/trips-2024-05.csv", str(state / "t.parquet")]
    def act():
        try:
            main()
        except SystemExit:
            pass
else:
    import dagster as dg
    from platform_assets.composition import build_definitions
    from platform_resources.settings import Settings
    settings = Settings.from_environment({"PLATFORM_STATE": str(state)})
    landing = state / "landing" / "bikes"
    landing.mkdir(parents=True)
    (landing / "trips-2024-05.csv").write_bytes(Path(root, "docs_src/tutorial/landing/trips-2024-05.csv").read_bytes())
    defs = build_definitions("docs_src.tutorial", settings)
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey(["bikes", "trips"])})
    instance = dg.DagsterInstance.ephemeral()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    def act():
        done = job.execute_in_process(instance=instance, partition_key="2024-05", run_config=quiet)
        assert done.success
import threading
threading.setprofile(hook); sys.setprofile(hook)
act()
sys.setprofile(None); threading.setprofile(None)
print("\\nFLOW", json.dumps({"modules": len(modules), "calls": calls}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", nargs="?", default=str(Path(__file__).resolve().parent.parent))
    root = Path(parser.parse_args().checkout).resolve()
    trees = {
        path: ast.parse(path.read_text()) for package in PACKAGES for path in sorted((root / package).rglob("*.py"))
    }
    for package in PACKAGES:
        paths = [path for path in trees if path.relative_to(root).parts[0] == package]
        print(f"{package}: {len(paths)} modules, {sum(len(path.read_text().splitlines()) for path in paths)} lines")
    assigned = [name for tree in trees.values() for name in assigned_names(tree)]
    vague = Counter(name for name in assigned if name in VAGUE)
    share = sum(vague.values()) / len(assigned)
    print(
        f"names that say nothing: {sum(vague.values())} of {len(assigned)} ({share:.1%}); most: {vague.most_common(4)}"
    )
    print("modules that ask which kind of source:", asking(root, trees, SOURCES, within="sources"))
    print("modules that ask which kind of rule:", asking(root, trees, RULES, within="rules"))
    kinds = sum(len(re.findall(r"\.kind\s*(==|!=|in|not in)\s", path.read_text())) for path in trees)
    print("comparisons with a .kind:", kinds)
    private = Counter(str(path.relative_to(root)) for path, tree in trees.items() for _ in private_imports(tree))
    outside = {name: count for name, count in private.items() if "vendor" not in name}
    print(f"private vendor imports: {sum(private.values())}, outside vendor modules {sum(outside.values())}: {outside}")
    for flow in ("land", "datasets", "convert"):
        print(f"flow {flow}: {crossed(root, flow)}")


def assigned_names(tree: ast.AST) -> Iterator[str]:
    """Yield the names that statements bind: targets, loop variables, parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def asking(root: Path, trees: dict[Path, ast.AST], kinds: set[str], *, within: str) -> str:
    """Count the isinstance calls on the kinds, and the modules outside the room of that name that make them."""
    counts: Counter[str] = Counter()
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                names = {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
                if names & kinds and within not in (*path.relative_to(root).parts, path.stem):
                    counts[str(path.relative_to(root))] += 1
    return f"{sum(counts.values())} in {len(counts)}"


def private_imports(tree: ast.AST) -> Iterator[str]:
    """Yield imports of a vendor's private modules or names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in VENDORS:
            if any(part.startswith("_") for part in node.module.split(".")):
                yield node.module
            yield from (alias.name for alias in node.names if alias.name.startswith("_"))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] in VENDORS and any(part.startswith("_") for part in parts[1:]):
                    yield alias.name


def crossed(root: Path, flow: str) -> str:
    """Run a flow in a process of its own, and say how many modules and calls of ours it takes."""
    python = root / ".venv" / "bin" / "python"
    with tempfile.TemporaryDirectory() as state:
        done = subprocess.run(
            [str(python if python.exists() else sys.executable), "-c", FLOW, str(root), state, flow],
            cwd=root, capture_output=True, text=True, check=False,
            env={"PATH": "/usr/bin:/bin", "PLATFORM_STATE": state, "DAGSTER_HOME": "", "HOME": state},
        )  # fmt: skip
    line = next((line for line in done.stdout.splitlines() if line.startswith("FLOW ")), None)
    if line is None:
        return "did not run: " + (done.stderr.strip().splitlines() or ["no output"])[-1]
    counts = json.loads(line.removeprefix("FLOW "))
    return f"{counts['modules']} modules, {counts['calls']} calls"


if __name__ == "__main__":
    main()
