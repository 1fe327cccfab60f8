"""What one turn says, taken by itself: worked out once and remembered, as agents send it with every step."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import msgspec

from policies.envelope.conversation import ErrorLines
from policies.envelope.pasted import separate
from policies.envelope.unwrap import MAX_TURN_CHARS, Unwrapped, Unwrapper
from policies.envelope.wording import Wording
from policies.facts import Role

SHORT_CHARS, _SHORT_TURNS = 8_192, 512
_LONG_CHARS, _LONG_TURNS = MAX_TURN_CHARS, 32
"""How many turns of up to how many characters are remembered, some 4 and 3 MiB at most."""
_NONE: frozenset[str] = frozenset()
_NOBODY = Unwrapped()


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn of a user or a tool adds to a reading. It is shared and not to be changed."""

    results: frozenset[str] = _NONE
    """The error lines of the tool results in it."""
    user: Unwrapped = msgspec.field(default_factory=lambda: _NOBODY)
    """A user's turn without its envelope."""
    text: str = ""
    """What the person typed themselves."""
    pasted: tuple[str, ...] = ()
    complaints: frozenset[str] = _NONE
    """The error lines in what came with their words."""
    approves: bool = False
    """The words are nothing but consent."""
    only_words: bool = False
    """There is a person's text and nothing else that counts, nor a client that gives itself away."""


_Hear = Callable[[Role, tuple[str, ...], str | None], Heard]


class Hearing:
    """Takes turns one by one: role, parts, what is known of the sender; threads may share it."""

    def __init__(self, unwrapper: Unwrapper, errors: ErrorLines, wording: Wording) -> None:
        self._unwrapper = unwrapper
        self._errors = errors
        self._wording = wording
        self.short: _Hear = lru_cache(_SHORT_TURNS)(self._hear)
        """Return what a turn of at most `SHORT_CHARS` characters says."""
        self._long: _Hear = lru_cache(_LONG_TURNS)(self._hear)

    def long(self, role: Role, parts: tuple[str, ...], client: str | None) -> Heard:
        """Return what a longer turn says."""
        hear = self._long if sum(map(len, parts)) <= _LONG_CHARS else self._hear
        return hear(role, parts, client)

    def _hear(self, role: Role, parts: tuple[str, ...], client: str | None) -> Heard:
        if role == "tool":
            return Heard(results=self._errors.find_in(parts))
        user = self._unwrapper.read(parts, client)
        results = self._errors.find_in(user.results)
        if not user.text:
            return Heard(user=user, results=results)
        text, pasted = separate(user.text)
        complaints = self._errors.find_in((*pasted, *user.evidence))
        return Heard(
            user=user,
            results=results,
            text=text,
            pasted=pasted,
            complaints=complaints,
            approves=self._wording.approves(text),
            only_words=not (results or complaints or user.results or user.broken_calls or user.client),
        )
