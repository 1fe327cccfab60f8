"""What one process remembers of each team's spending on premium: the state of its budget controller."""

from __future__ import annotations

from policies.economy import Controller, advance_controller, controlled_threshold, corrected_controller
from policies.verdicts import Decision


class EconomyMemory:
    """A controller per team that has a target share."""

    def __init__(self) -> None:
        self._controllers: dict[str, Controller] = {}

    def threshold(self, team_id: str, target_share: float | None) -> float | None:
        """Return the team's threshold now; None where it has no target or too little traffic yet."""
        controller = self._controllers.get(team_id)
        if target_share is None or controller is None:
            return None
        return controlled_threshold(controller, target_share)

    def note(self, team_id: str, target_share: float | None, decision: Decision) -> None:
        """Take a decision into account."""
        if target_share is not None:
            controller = self._controllers.get(team_id, Controller())
            self._controllers[team_id] = advance_controller(controller, decision, target_share)

    def note_served(self, team_id: str, target_share: float | None, decision: Decision, served: str) -> None:
        """Take into account who answered in the end, once per request that was noted."""
        controller = self._controllers.get(team_id)
        if target_share is not None and controller is not None:
            self._controllers[team_id] = corrected_controller(controller, decision.tier, served)
