"""The public names, spelled out: adding one is a decision, and taking one away breaks somebody."""

import importlib
import pkgutil

import pytest

SURFACES = {
    "platform_core": [],
    "platform_core.contracts": [
        "AsOf", "Auth", "Balance", "Catalog", "Categories", "Changes", "CheckRule", "Column", "Counted",
        "DataFrameModel", "Database", "Dataset", "DatasetRule", "Day", "DbtModel", "Delta", "Featured", "Field",
        "Files", "Generated", "Hopping", "Iceberg", "Lookup", "Near", "Pages", "Pairs", "Parquet", "Partitions",
        "Pattern", "Quarantine", "ReferenceRule", "Rest", "Retention", "RowRule", "Rule", "Scored", "Sessions",
        "Sla", "Sliding", "Term", "Threshold", "ToAlert", "ToDatabase", "ToRedis", "ToSearch", "ToStore", "ToTopic",
        "ToWebhook", "Topic", "Transform", "Tumbling", "UtcTimestamp", "api_key", "balance", "basic", "bearer", "by",
        "catalog_of", "check", "col", "compare", "complete", "cursor", "daily", "dataframe_check", "deviation",
        "distinct", "drift", "expression", "fresh", "hourly", "link", "mean", "measure", "minutes", "monthly",
        "mostly", "no_gaps", "not_future", "oauth2", "offset", "only_where", "page", "pairs", "quantile", "quarterly",
        "references", "rules_from", "rules_of", "share_of", "unique", "volume", "weekly", "within", "yearly",
    ],
    "platform_core.alerting": [
        "KINDS", "LEVEL_KINDS", "AlertPolicy", "AlertState", "Incident", "Message", "Place", "Quiet", "Route", "Signal",
        "Silence", "Told", "document_of", "fold_signals", "render_text", "render_title",
    ],
    "platform_core.anomaly": [
        "Detector", "Evaluation", "describe_detector", "evaluate_scores", "learn_season", "parse_detector",
        "score_rows", "shifts_of", "train_detector",
    ],
    "platform_core.features": [
        "Feature", "FeatureState", "Measure", "age", "compute_features", "count", "distinct", "feature", "find_leaks",
        "fold_features", "last", "mean", "rate", "total",
    ],
    "platform_core.ingest": [
        "HASH", "INGEST", "INGESTED_AT", "PROVENANCE", "RowPlan", "SOURCE", "number_arrivals", "plan_rows", "row_hash",
    ],
    "platform_core.folding": ["DetectorStore", "Folding", "Step", "Stores", "TableStore", "folding_of"],
    "platform_core.privacy": [],
    "platform_core.streaming": [
        "Clock", "IntervalJoin", "JoinState", "Pattern", "PatternState", "Progress", "Window", "WindowState",
        "close_windows", "count_windows", "fold_interval_join", "fold_pattern", "fold_windows", "hopping", "look_up",
        "look_up_as_of", "session", "sliding", "sum_in_order", "tumbling",
    ],
    "platform_core.quality": [
        "Beside", "Conformed", "Decision", "Judgement", "RecordTest", "RuleResult", "beyond_key", "compile_record_test",
        "conform", "envelopes", "judge", "payloads",
    ],
    "platform_core.rules": [
        "Balance", "CheckRule", "Columns", "Compare", "DIMENSIONS", "DatasetRule", "Dimension", "DriftRule",
        "Expression", "FIELD_WORDS", "FileFacts",
        "Flaw", "InPartition", "IsIn", "KINDS", "Matches", "Mostly", "NOW", "NotIn", "NotNull", "OnlyWhere", "Over",
        "ReferenceRule", "RowRule", "Rule", "SEVERITIES", "Severity", "ShareRule", "TextTerms", "Types", "Unique",
        "VALUE_KINDS", "ValueRule", "WITHIN", "all_kinds", "balance", "compare", "complete",
        "deviation", "distinct", "drift", "expression", "fresh",
        "id_of", "mean", "measure", "mostly", "no_gaps", "not_future", "only_where", "quantile", "references",
        "rules_from", "share_of", "unique", "volume",
    ],
    "platform_core.interchange": [],
    "platform_core.lineage": ["ColumnEdge", "Edge", "Impact", "Lineage", "Node", "Unknown", "impact_of"],
    "platform_core.synthetic": [
        "CannotBreak", "CannotGenerate", "Fault", "Implied", "faults", "lookups", "synthesize",
        "synthesize_batches", "world",
    ],
    "platform_core.upkeep": [
        "US_EAST_1", "Advice", "Cost", "DataFile", "Dead", "History", "Lifecycle", "Machine", "Move", "PriceError",
        "PriceList", "Read", "Rule", "StepFacts", "TableFacts", "TablePlan", "compute_advice", "kept_for", "lake_rule",
        "lifecycle", "plan",
    ],
    "platform_resources": [],
    "platform_resources.alerts": [
        "AlertFile", "AlertJournal", "Channel", "ChannelRefused", "Outbox", "StoredMessage", "read_alert_file",
    ],
    "platform_resources.brokers": [
        "DEAD_LETTERS", "Batch", "Broker", "Consumer", "LogBroker", "MemoryBroker", "Positions", "TopicSettings",
        "open_broker",
    ],
    "platform_resources.conversion": [
        "Conform", "Conversion", "Fingerprint", "Options", "Progress", "VERIFY", "Verify", "convert", "fingerprint",
        "fingerprint_of", "from_numpy", "to_numpy",
    ],
    "platform_resources.engines": [],
    "platform_resources.readers": ["Batch", "Malformed", "ReadOptions", "Reading", "open_records"],
    "platform_resources.sinks": [
        "Changes", "Sink", "SinkContext", "SinkError", "SinkRefused", "SinkUnreachable", "open_sink",
    ],
    "platform_resources.sources": [
        "Batch", "Cursor", "DeclaredFile", "LandedFile", "Landing", "Malformed", "SourceAdapter",
        "SourceContext", "TalliedSource", "Tally", "Unit", "UnreadableUnit", "digest", "open_source",
    ],
    "platform_resources.telemetry": [
        "Span", "current_traceparent", "flush_spans", "log_event", "open_span", "run_traceparent", "send_span",
    ],
    "platform_resources.vendor": [],
    "platform_resources.storage": ["Commit", "Lake", "TableSpec", "Write"],
    "platform_assets": [],
    "platform_assets.domains": [],
    "platform_assets.entrypoints": [],
    "platform_assets.factory": ["asset_for", "asset_key", "checks_for"],
    "platform_assets.ingest": ["ingests_spec", "quarantine_spec", "superseded_spec", "table_spec", "verdicts_spec"],
    "platform_assets.operations": [],
}  # fmt: skip


@pytest.mark.parametrize("package", SURFACES)
def test_a_package_shows_the_names_spelled_out_here_and_keeps_them(package):
    module = importlib.import_module(package)
    assert sorted(getattr(module, "__all__", [])) == sorted(SURFACES[package])
    assert [name for name in SURFACES[package] if not hasattr(module, name)] == []


@pytest.mark.parametrize("house", ["platform_core", "platform_resources", "platform_assets"])
def test_a_new_room_spells_out_its_names_here(house):
    found = pkgutil.iter_modules(importlib.import_module(house).__path__, f"{house}.")
    assert {room.name for room in found if room.ispkg} == {name for name in SURFACES if name.startswith(f"{house}.")}
