"""Judging rows: typing them, evaluating every rule in one scan, splitting good from bad."""

from platform_core.quality.conform import Conformed, conform
from platform_core.quality.envelope import Decision, envelopes, payloads
from platform_core.quality.judge import Beside, Judgement, judge
from platform_core.quality.record_test import RecordTest, compile_record_test
from platform_core.quality.results import RuleResult
from platform_core.quality.uniqueness import beyond_key

__all__ = [
    "Beside", "Conformed", "Decision", "Judgement", "RecordTest", "RuleResult", "beyond_key", "compile_record_test",
    "conform", "envelopes", "judge", "payloads",
]  # fmt: skip
