"""Measures of the code found in a prompt, and what they say about impact and risk.

The code is read, never run. Everything is bounded in bytes and steps; what cannot be told is None.
"""

from policies.context_analysis.analysis import analyze_code
from policies.context_analysis.ratings import assess_impact, assess_risk
from policies.context_analysis.report import ContextReport, FileReport, Impact, Rating, Reason, Risk, Snippet
from policies.context_analysis.rules import Rules, compile_rules
from policies.context_analysis.signals import SIGNAL_NAMES, context_signals
from policies.context_analysis.snippets import snippets_in

__all__ = [
    "SIGNAL_NAMES",
    "ContextReport",
    "FileReport",
    "Impact",
    "Rating",
    "Reason",
    "Risk",
    "Rules",
    "Snippet",
    "analyze_code",
    "assess_impact",
    "assess_risk",
    "compile_rules",
    "context_signals",
    "snippets_in",
]
