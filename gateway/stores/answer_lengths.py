"""What one process remembers of how long each team's answers were, by model."""

from __future__ import annotations

from collections import OrderedDict, deque

from policies.answer_length import longest_likely

MAX_PLACES = 2_000
"""Pairs of team and model kept at a time; those not heard of for longest are forgotten first."""
_RECENT = 300


class AnswerLengths:
    """The last lengths of answers that nobody had limited, in tokens."""

    def __init__(self) -> None:
        self._recent: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()

    def note(self, team_id: str, model: str, tokens: int) -> None:
        """Remember one complete answer."""
        place = (team_id, model)
        recent = self._recent.get(place)
        if recent is None:
            recent = self._recent[place] = deque(maxlen=_RECENT)
            if len(self._recent) > MAX_PLACES:
                self._recent.popitem(last=False)
        else:
            self._recent.move_to_end(place)
        recent.append(tokens)

    def longest_likely(self, team_id: str, model: str) -> int | None:
        """Return how long the team's next answer of a model is likely to get at most; None if unknown."""
        return longest_likely(self._recent.get((team_id, model), ()))
