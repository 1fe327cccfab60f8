"""The reading of a conversation: turns in, newest first, the ask and the measures out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from policies.envelope.conversation import ErrorLines, Tail
from policies.envelope.document import EnvelopesDoc, parse
from policies.envelope.hearing import SHORT_CHARS, Heard, Hearing
from policies.envelope.housekeeping import SYSTEM_HEAD_CHARS, Housekeeping
from policies.envelope.pasted import separate
from policies.envelope.unwrap import Unwrapped, Unwrapper
from policies.envelope.wanted import Wanted
from policies.envelope.wording import Wording
from policies.facts import Ask, AskSource, Conversation, Turn

MAX_ASK_CHARS = 16_384
"""A longer ask keeps its first three quarters and its last quarter of this many characters."""
MAX_PLAN_CHARS = 4_000
MAX_EVIDENCE_BLOCKS = 64
TAIL_TURNS = 24
TAIL_CHARS = 65_536
_MIN_PLAN_CHARS = 40
MEASURED_TURNS = 32
"""How many of the newest turns are searched for failures."""
_SEARCHED_CHARS = 1_048_576
_REMEMBERED_ASKS = 32
_NOBODY = Unwrapped()


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision needs to know of a conversation."""

    ask: Ask
    conversation: Conversation


class Envelopes:
    """The rules of `envelopes.yaml`, compiled; threads may share it."""

    def __init__(self, doc: EnvelopesDoc, revision: str) -> None:
        self.revision = revision
        self.unwrapper = Unwrapper(doc.clients)
        self.housekeeping = Housekeeping(doc.housekeeping)
        self.wording = Wording(doc.wording)
        self.errors = ErrorLines(doc.failures)
        self.hearing = Hearing(self.unwrapper, self.errors, self.wording)
        self.rote = tuple(start for c in doc.clients for start in c.replies_by_rote)
        self._systems = [(phrase, c.name) for c in doc.clients for phrase in c.system]
        self.client_of = lru_cache(maxsize=512)(self._find_client)
        """Return the client whose own words stand in the beginning of a system prompt."""

    @classmethod
    def compile(cls, document: object) -> Envelopes:
        """Return the compiled form of a parsed `envelopes.yaml`.

        Raises:
            ValueError: naming the YAML path of what is wrong, and what to do.
        """
        doc = parse(document)
        canonical = msgspec.json.encode(doc, order="deterministic")
        return cls(doc, hashlib.sha256(canonical).hexdigest()[:12])

    def read(
        self,
        turns: Iterable[Turn],
        *,
        message_count: int,
        has_tools: bool,
        system_head: str = "",
        wanted: Wanted | None = None,
    ) -> Reading:
        """Find the newest human ask and measure the conversation; total over any turns.

        `turns` come newest first and are pulled only as far as needed: to the ask, then at most
        24 turns or 64 KiB on. `system_head` is the beginning of the system prompt (800 characters do).
        `wanted` is told meanwhile what of the turns would change nothing.
        """
        walk = _Walk(self, system_head)
        walk.over(turns, wanted or Wanted())
        return Reading(
            ask=walk.ask(message_count=message_count, has_tools=has_tools),
            conversation=walk.tail.measure(message_count),
        )

    def _find_client(self, head: str) -> str | None:
        return next((client for phrase, client in self._systems if phrase in head), None)


class _Walk:
    """One walk from the newest turn back."""

    _newest: Unwrapped | None = None
    _human: Unwrapped | None = None
    _text = _consent = _plan = _summary = ""
    _pasted: tuple[str, ...] = ()
    _found = False
    """An ask or a plan: what is older only counts."""

    def __init__(self, envelopes: Envelopes, system_head: str) -> None:
        self.tail = Tail(envelopes.wording)
        self._envelopes = envelopes
        self._system_head = system_head[:SYSTEM_HEAD_CHARS]
        self._client = envelopes.client_of(self._system_head)

    def over(self, turns: Iterable[Turn], wanted: Wanted) -> None:
        """Take in turns, newest first, until the ask is found and the tail behind it is long enough."""
        hearing = self._envelopes.hearing
        wanted.system = not self._system_head
        tail_turns = tail_chars = searched_chars = 0
        for seen, turn in enumerate(turns, 1):
            role, parts = turn.role, turn.parts
            chars = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
            hear = hearing.short if chars <= SHORT_CHARS else hearing.long
            if role == "assistant":
                if turn.tool_arguments_broken or (self._consent and not self._found):
                    self._see_assistant(turn, measured=seen <= MEASURED_TURNS)
            elif role == "user":
                searched_chars += chars
                if searched_chars <= _SEARCHED_CHARS or self._newest is None:
                    self._see_user(hear(role, parts, self._client), measured=seen <= MEASURED_TURNS)
            elif role == "system":
                self._see_system(turn)
            elif seen <= MEASURED_TURNS:
                self.tail.add_result(hear(role, parts, None).results, failed=turn.tool_failed)
            if self._found:
                tail_turns += 1
                tail_chars += chars
                if tail_turns > TAIL_TURNS or tail_chars > TAIL_CHARS:
                    break
            wanted.people_only = seen >= MEASURED_TURNS and not (self._found or self._consent)

    def ask(self, *, message_count: int, has_tools: bool) -> Ask:
        """Return the ask among the turns seen."""
        rule = self._housekeeping(message_count=message_count, has_tools=has_tools)
        if rule is not None:
            text = self._newest.text if self._newest else ""
            return self._made(separate(text)[0], "housekeeping", housekeeping=rule)
        if self._plan:
            return self._made(self._plan, "approved_plan")
        if self._human is not None:
            return self._made(self._text, "user", evidence=(*self._pasted, *self._human.evidence))
        text = self._consent or self._summary
        return self._made(text, "user" if text else "none")

    def _housekeeping(self, *, message_count: int, has_tools: bool) -> str | None:
        """Return the rule of the newest user turn; where nobody typed, any block of the client may match."""
        newest = self._newest or _NOBODY
        for text in newest.unspoken or (newest.text,):
            name = self._envelopes.housekeeping.name(
                text.strip(), system_head=self._system_head, message_count=message_count, has_tools=has_tools
            )
            if name:
                return name
        return None

    def _made(
        self, text: str, source: AskSource, *, evidence: Sequence[str] = (), housekeeping: str | None = None
    ) -> Ask:
        blocks = tuple([_encodable(block) for block in evidence]) if evidence else ()
        return Ask(
            text=_encodable(_clipped(text, MAX_ASK_CHARS)),
            source=source,
            client=self._client,
            housekeeping=housekeeping,
            evidence=blocks[:MAX_EVIDENCE_BLOCKS],
        )

    def _see_system(self, turn: Turn) -> None:
        if not self._system_head and turn.parts:
            self._system_head = turn.parts[0][:SYSTEM_HEAD_CHARS]
            self._client = self._envelopes.client_of(self._system_head) or self._client

    def _see_assistant(self, turn: Turn, *, measured: bool) -> None:
        if turn.tool_arguments_broken and measured:
            self.tail.broken_calls += 1
        if self._found or not self._consent:
            return
        text = _clipped("\n".join(turn.parts), MAX_ASK_CHARS).strip()
        if len(text) >= _MIN_PLAN_CHARS and not text.startswith(self._envelopes.rote):
            self._plan = _clipped(separate(text)[0], MAX_PLAN_CHARS)
            self._found = bool(self._plan)

    def _see_user(self, heard: Heard, *, measured: bool) -> None:
        if not self._found:
            self._find(heard)
        if heard.only_words:
            self.tail.humans.append(heard.text)
            return
        user = heard.user
        self._client = self._client or user.client
        if measured and (user.results or user.broken_calls):
            self.tail.add_result(heard.results)
            self.tail.broken_calls += user.broken_calls
        if user.text:
            self.tail.humans.append(heard.text)
            self.tail.add_lines(heard.complaints)

    def _find(self, heard: Heard) -> None:
        """See whether a turn is the ask, or consent to one."""
        user = heard.user
        self._newest = self._newest or user
        self._summary = self._summary or user.summary
        if heard.approves:
            self._consent = self._consent or heard.text
        elif user.text:
            self._human, self._text, self._pasted = user, heard.text, heard.pasted
            self._found = True


def _clipped(text: str, size: int) -> str:
    """Return the text, or its first three quarters and last quarter of `size` characters."""
    return text if len(text) <= size else f"{text[: size * 3 // 4]}\n{text[-(size // 4) :]}"


_DISGUISES = {0x00AD: None, 0x2060: None, 0xFEFF: None, 0x3000: " "}
_DISGUISES |= dict.fromkeys(range(0x200B, 0x2010))
_DISGUISES |= {wide: chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)}
"""Characters that look like nothing or like an ASCII one: a word is the same word with and without them."""
_DISGUISED = re.compile(f"[{''.join(map(chr, _DISGUISES))}]")
"""Looking is twenty times as fast as translating, and most texts hold none."""


def _encodable(text: str) -> str:
    """Return the text without disguises and with `?` for lone surrogates, fit for whoever reads it next."""
    return text if text.isascii() else _undisguised(text)


@lru_cache(_REMEMBERED_ASKS)
def _undisguised(text: str) -> str:
    if _DISGUISED.search(text):
        text = text.translate(_DISGUISES)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
