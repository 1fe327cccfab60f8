"""Facts that cost more than a look, where a policy asks: sensitive data in the body, measures of the code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog
from msgspec.structs import replace

from policies.context_analysis import (
    ContextReport,
    Rules,
    analyze_code,
    assess_impact,
    assess_risk,
    context_signals,
    snippets_in,
)
from policies.facts import Features
from policies.policy import Policy
from policies.sensitive_data import scan_body

_T = TypeVar("_T")
INLINE_BYTES = 16_384
"""Bodies up to this size are searched for sensitive data where they are, in a fraction of a millisecond."""
CODE_BYTES = 65_536
"""How much code of a request in flight is analysed."""
ANALYSIS_S = 0.25
"""How long a request waits for its code's measures; after that they are unknown."""
WORKERS = 2
_FIRST = "```python\ndef first():\n    return 1\n```"
"""What the analyser is loaded with."""


def asks_for(policy: Policy, features: Features) -> bool:
    """Tell whether a policy needs facts that are taken by inspection."""
    return "data" in policy.reads or ("context" in policy.reads and features.ask.housekeeping is None)


def inspect(features: Features, body: bytes, policy: Policy, rules: Callable[[], Rules]) -> Features:
    """Return the features with every fact the policy asks for. Pure, and as slow as the body is long."""
    if "data" in policy.reads:
        features = replace(features, data=scan_body(body))
    if "context" in policy.reads and features.ask.housekeeping is None:
        features = replace(features, context=measure_code(features, rules()))
    return features


def measure_code(features: Features, rules: Rules) -> dict[str, float]:
    """Return the known measures of the code that came with the ask, by signal name."""
    ask, declared = features.ask, features.declared
    said = declared if declared.trusted else None
    snippets = snippets_in(ask.text, evidence=ask.evidence)
    report = analyze_code(snippets, rules=rules, limit_bytes=CODE_BYTES)
    impact = assess_impact(rules, declared=said, report=report, description=ask.text)
    risk = assess_risk(rules, report, declared=said, description=ask.text)
    signals = context_signals(report, impact, risk)
    return {name: signal.value for name, signal in signals.items()}


class Inspector:
    """Takes such facts off the event loop, on few threads of its own, within a bound of time."""

    def __init__(self, rules: Callable[[], Rules], *, wait_s: float = ANALYSIS_S) -> None:
        self._rules = rules
        self._wait_s = wait_s
        self._threads: ThreadPoolExecutor | None = None
        self._loaded: asyncio.Future[ContextReport] | None = None
        self._analyses = 0

    async def inspect(self, features: Features, body: bytes, policy: Policy) -> Features:
        """Return the features with every fact the policy asks for; code not measured in time is unknown.

        Sensitive data are always searched for, in bounded time: where data may go cannot be decided without.
        """
        if "data" in policy.reads:
            search = partial(scan_body, body)
            data = search() if len(body) <= INLINE_BYTES else await self._off_loop(search)
            features = replace(features, data=data)
        if "context" in policy.reads and features.ask.housekeeping is None:
            features = replace(features, context=await self._context(features))
        return features

    async def _context(self, features: Features) -> dict[str, float] | None:
        if self._loaded is None:  # takes longer than a request may wait: the first one would be unknown
            self._loaded = asyncio.ensure_future(self._off_loop(self._load))
        await asyncio.wait((self._loaded,))
        if self._analyses >= 2 * WORKERS:
            return None  # a queue would only make every one of them late
        self._analyses += 1
        work = asyncio.ensure_future(self._off_loop(lambda: measure_code(features, self._rules())))
        work.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(work), self._wait_s)
        except TimeoutError:
            return None
        except Exception:  # noqa: BLE001 - a defect in a measure leaves it unknown, and must not cost the request
            structlog.get_logger("gateway").exception("analysis_failed")
            return None

    def _load(self) -> ContextReport:
        return analyze_code(snippets_in(_FIRST, evidence=()), rules=self._rules(), limit_bytes=CODE_BYTES)

    def _ended(self, work: asyncio.Future[dict[str, float]]) -> None:
        self._analyses -= 1
        if not work.cancelled():
            work.exception()  # looked at, so that one nobody waits for any more is not called unhandled

    async def _off_loop(self, work: Callable[[], _T]) -> _T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="inspection")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
