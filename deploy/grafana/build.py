"""Write the dashboards: `python deploy/grafana/build.py`. A test compares them, and runs every query."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

DASHBOARDS: dict[str, dict[str, list[tuple[str, str, str, str]]]] = {
    "platform": {
        "Now": [
            ("stat", "Late datasets", "sum(platform_dataset_fresh == bool 0)", "short"),
            ("stat", "Checks that fail", 'sum(platform_dataset_checks{state="failed"})', "short"),
            ("stat", "Rows in quarantine", "sum(platform_dataset_quarantine_open_rows)", "short"),
            ("stat", "Open incidents", "sum(platform_incidents_open)", "short"),
            ("stat", "Messages behind", "sum(platform_stream_lag_messages)", "short"),
            ("stat", "Oldest heartbeat", "max(time() - platform_daemon_last_heartbeat_timestamp_seconds)", "s"),
        ],
        "Runs": [
            ("timeseries", "Runs by status", "platform_runs", "short"),
            ("timeseries", "Steps an hour", "sum by (status) (increase(platform_step_duration_seconds_count[1h]))", "short"),
            ("timeseries", "Duration of runs, 95 of 100 below", "histogram_quantile(0.95, sum by (le) (rate(platform_run_duration_seconds_bucket[6h])))", "s"),
            ("timeseries", "Events an hour", "increase(platform_events_total[1h])", "short"),
            ("timeseries", "Backfills", "platform_backfills", "short"),
            ("timeseries", "Slots held", "sum by (pool) (platform_pool_claimed_slots)", "short"),
        ],
        "Platform": [
            ("timeseries", "Disk free", "platform_disk_free_bytes", "bytes"),
            ("timeseries", "Event log", "platform_event_log_size_bytes", "bytes"),
            ("timeseries", "Cache hits", 'sum(rate(platform_cache_lookups_total{found!="nowhere"}[5m])) / sum(rate(platform_cache_lookups_total[5m]))', "percentunit"),
            ("timeseries", "Reading the metrics", "platform_collection_duration_seconds", "s"),
            ("table", "Failed ticks, how long ago", 'time() - platform_last_tick_timestamp_seconds{status="failure"}', "s"),
            ("table", "Channels that refuse", "platform_alert_channel_refusing", "short"),
        ],
    },
    "dataset": {
        "State": [
            ("stat", "Age", 'time() - platform_dataset_last_materialization_timestamp_seconds{dataset=~"$dataset"}', "s"),
            ("stat", "Limit", 'platform_dataset_freshness_limit_seconds{dataset=~"$dataset"}', "s"),
            ("stat", "Rows", 'platform_dataset_rows{dataset=~"$dataset"}', "short"),
            ("stat", "Quality", 'platform_dataset_quality_score{dataset=~"$dataset"}', "short"),
            ("stat", "Checks that hold", 'platform_dataset_checks_passed_ratio{dataset=~"$dataset"}', "percentunit"),
            ("stat", "Budget used up", 'platform_promise_budget_burn_ratio{dataset=~"$dataset"}', "percentunit"),
            ("stat", "Promise kept", 'platform_promise_kept_ratio{dataset=~"$dataset"}', "percentunit"),
        ],
        "Quality": [
            ("timeseries", "Checks", 'platform_dataset_checks{dataset=~"$dataset"}', "short"),
            ("timeseries", "Not passed by dimension", 'sum by (dimension, severity) (platform_dataset_checks_not_passed{dataset=~"$dataset"})', "short"),
            ("timeseries", "Quarantine", 'platform_dataset_quarantine_open_rows{dataset=~"$dataset"}', "short"),
            ("timeseries", "Set aside by the last run", 'platform_dataset_last_quarantined_rows{dataset=~"$dataset"}', "short"),
        ],
        "Work": [
            ("timeseries", "Duration", 'platform_dataset_last_duration_seconds{dataset=~"$dataset"}', "s"),
            ("timeseries", "Processor", 'platform_dataset_last_cpu_seconds{dataset=~"$dataset"}', "s"),
            ("timeseries", "Memory", 'platform_dataset_last_peak_memory_bytes{dataset=~"$dataset"}', "bytes"),
            ("timeseries", "Rows a second", 'platform_dataset_last_rows_per_second{dataset=~"$dataset"}', "short"),
            ("timeseries", "Bytes a second", 'platform_dataset_last_bytes_per_second{dataset=~"$dataset"}', "Bps"),
            ("timeseries", "Rows in and written", '{__name__=~"platform_dataset_last_(input|written)_rows",dataset=~"$dataset"}', "short"),
            ("timeseries", "Bytes written", 'platform_dataset_last_written_bytes{dataset=~"$dataset"}', "bytes"),
            ("timeseries", "Size", 'platform_dataset_size_bytes{dataset=~"$dataset"}', "bytes"),
            ("timeseries", "Partitions", 'platform_dataset_partitions{dataset=~"$dataset"}', "short"),
            ("timeseries", "Messages behind", 'platform_stream_lag_messages{dataset=~"$dataset"}', "short"),
        ],
    },
}  # fmt: skip


def dashboard(name: str) -> dict[str, Any]:
    """Return a dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row, entries in DASHBOARDS[name].items():
        panels.append({"type": "row", "title": row, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}, "panels": []})
        top += 1
        for place, (kind, title, query, unit) in enumerate(entries):
            wide, high = (4, 4) if kind == "stat" else (12, 8)
            columns = 24 // wide
            panels.append(
                _panel(kind, title, query, unit, (place % columns * wide, top + place // columns * high), (wide, high))
            )
        wide, high = (4, 4) if entries[0][0] == "stat" else (12, 8)
        top += -(-len(entries) // (24 // wide)) * high
    variable = {"name": "dataset", "type": "query", "query": "label_values(platform_dataset_checks, dataset)",
                "includeAll": True, "datasource": {"type": "prometheus", "uid": "${source}"}, "refresh": 2}  # fmt: skip
    source = {"name": "source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": f"platform-{name}", "title": f"Platform: {name}" if name == "dataset" else "Platform",
        "schemaVersion": 39, "refresh": "30s", "time": {"from": "now-24h", "to": "now"}, "tags": ["platform"],
        "templating": {"list": [source, variable] if name == "dataset" else [source]},
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, 1)],
    }  # fmt: skip


def _panel(kind: str, title: str, query: str, unit: str, at: tuple[int, int], size: tuple[int, int]) -> dict[str, Any]:
    return {
        "type": kind, "title": title, "gridPos": {"x": at[0], "y": at[1], "w": size[0], "h": size[1]},
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "fieldConfig": {"defaults": {"unit": unit, "noValue": "none"}, "overrides": []},
        "targets": [{"refId": "A", "expr": query, "instant": kind != "timeseries"}],
    }  # fmt: skip


if __name__ == "__main__":
    for each in DASHBOARDS:
        (HERE / f"{each}.json").write_text(json.dumps(dashboard(each), indent=2) + "\n")
