"""What one process knows of its deployments' health."""

from __future__ import annotations

from policies.facts import HealthState
from policies.health import Breaker, BreakerRule, observe, tick
from policies.verdicts import Outcome

PROBE_S = 10.0
"""How long one probe of a half-open deployment keeps others away if it never reports back."""


class HealthMemory:
    """A breaker per deployment; only those that are not healthy take space."""

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._breakers: dict[str, Breaker] = {}
        self._probes: dict[str, float] = {}

    def note(self, outcome: Outcome, now_s: float) -> HealthState:
        """Take an attempt's outcome into account and return the deployment's state."""
        name = outcome.deployment
        known = self._breakers.get(name)
        if known is None and outcome.kind == "ok":
            return "closed"
        after = observe(known or Breaker(), outcome, now_s=now_s, rule=self._rule)
        self._probes.pop(name, None)
        if after == Breaker():
            self._breakers.pop(name, None)
        else:
            self._breakers[name] = after
        return after.state

    def view(self, now_s: float) -> dict[str, HealthState]:
        """Return the deployments that are not closed; a half-open one is offered to one asker at a time."""
        if not self._breakers:
            return {}
        states = {name: self._state(name, now_s) for name in list(self._breakers)}
        return {name: state for name, state in states.items() if state != "closed"}

    def rests(self, now_s: float) -> dict[str, float]:
        """Return the seconds until each deployment that is open or limited may be asked again."""
        if not self._breakers:
            return {}
        resting = {n: b for n, b in self._breakers.items() if b.state in {"open", "limited"}}
        return {name: max(0.0, b.since_s + b.rest_s - now_s) for name, b in resting.items()}

    def _state(self, name: str, now_s: float) -> HealthState:
        breaker = self._breakers[name] = tick(self._breakers[name], now_s=now_s)
        if breaker == Breaker():
            del self._breakers[name]
        if breaker.state != "half_open":
            return breaker.state
        if self._probes.get(name, 0.0) > now_s:
            return "open"
        self._probes[name] = now_s + PROBE_S
        return "half_open"
