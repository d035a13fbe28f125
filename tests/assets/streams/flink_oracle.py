"""Flink SQL on the same events: run by a Python of its own, as Flink wants older packages than ours.

Usage: python flink_oracle.py FOLDER. The folder has `clicked.json` and `viewed.json`, lines in the order of time,
and gets one JSON file a query.
"""

# ruff: noqa: E501, S608 - queries of literals

import json
import sys
from pathlib import Path

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

_COLUMNS = "user_name STRING, n BIGINT, at_text STRING, at_time AS TO_TIMESTAMP(at_text)"
_BOUNDS = "date_format(window_start, 'yyyy-MM-dd HH:mm:ss') AS w, date_format(window_end, 'yyyy-MM-dd HH:mm:ss') AS e"
_GROUP = "GROUP BY user_name, window_start, window_end"
_DESCRIBED = "DESCRIPTOR(at_time)"
QUERIES = {
    "tumbling": f"SELECT user_name, {_BOUNDS}, COUNT(*) AS c, MAX(n) AS m FROM TABLE(TUMBLE(TABLE clicked, {_DESCRIBED}, "
    f"INTERVAL '5' MINUTES)) {_GROUP}",
    "hopping": f"SELECT user_name, {_BOUNDS}, COUNT(*) AS c, MAX(n) AS m FROM TABLE(HOP(TABLE clicked, {_DESCRIBED}, "
    f"INTERVAL '2' MINUTES, INTERVAL '6' MINUTES)) {_GROUP}",
    "sessions": f"SELECT user_name, {_BOUNDS}, COUNT(*) AS c, MAX(n) AS m FROM TABLE(SESSION(TABLE clicked PARTITION BY "
    f"user_name, {_DESCRIBED}, INTERVAL '1' MINUTES)) {_GROUP}",
    "near": "SELECT c.user_name AS user_name, c.n AS n, v.n AS n_right FROM clicked c, viewed v WHERE c.user_name = "
    "v.user_name AND v.at_time BETWEEN c.at_time - INTERVAL '1' MINUTE AND c.at_time + INTERVAL '2' MINUTE",
    "pattern": "SELECT user_name, n, e FROM clicked MATCH_RECOGNIZE (PARTITION BY user_name ORDER BY at_time MEASURES "
    "a.n AS n, date_format(b.at_time, 'yyyy-MM-dd HH:mm:ss') AS e ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW "
    "PATTERN (a x* b) WITHIN INTERVAL '4' MINUTE DEFINE a AS a.n < 3, x AS x.n <= 7, b AS b.n > 7)",
}  # fmt: skip


def run(folder: Path) -> None:
    """Answer each query over the folder's events."""
    configuration = Configuration()
    for name, value in {
        "parallelism.default": "1",
        "table.local-time-zone": "UTC",
        "jobmanager.memory.process.size": "600m",
        "taskmanager.memory.process.size": "900m",
        "taskmanager.memory.managed.size": "64m",
    }.items():
        configuration.set_string(name, value)
    settings = EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration).build()
    environment = TableEnvironment.create(settings)
    for name in ("clicked", "viewed"):
        environment.execute_sql(
            f"CREATE TABLE {name} ({_COLUMNS}, WATERMARK FOR at_time AS at_time - INTERVAL '1' SECOND) WITH ('connector' = 'filesystem', "
            f"'path' = '{folder}/{name}.json', 'format' = 'json')"
        )
    for name, query in QUERIES.items():
        with environment.execute_sql(query).collect() as rows:
            (folder / f"{name}.answer.json").write_text(json.dumps([list(row) for row in rows]))


if __name__ == "__main__":
    run(Path(sys.argv[1]))
