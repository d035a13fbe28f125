"""Judging rows: typing them, evaluating every rule in one scan, splitting good from bad."""

from platform_core.quality.conform import Conformed, conform
from platform_core.quality.envelope import Decision, envelopes, payloads
from platform_core.quality.judge import Judgement, judge
from platform_core.quality.results import RuleResult

__all__ = ["Conformed", "Decision", "Judgement", "RuleResult", "conform", "envelopes", "judge", "payloads"]
