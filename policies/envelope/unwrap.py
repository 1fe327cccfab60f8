"""One user turn without its envelope: what the person typed, what was attached, what tools answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import methodcaller

import msgspec

from policies.envelope.document import BlockDoc, ClientDoc, HeaderDoc, PartDoc, ReplyDoc
from policies.envelope.tags import Tag, TagRules

MAX_TURN_CHARS = 98_304
"""How much of one user turn is read; longer blocks keep their first two thirds and last third."""
_MAX_PARTS = 128
_HEAD_CHARS = 600
_MAX_LINE_CHARS = 240


class Unwrapped(msgspec.Struct):
    """What one user turn holds."""

    text: str = ""
    """The person's words with what they pasted; empty where the client alone spoke."""
    evidence: list[str] = msgspec.field(default_factory=list)
    results: list[str] = msgspec.field(default_factory=list)
    """Tool results that the client sent as user text."""
    client: str | None = None
    summary: str = ""
    """The client's summary of an earlier conversation."""
    broken_calls: int = 0
    """Complaints of the client about a tool call of the model."""
    unspoken: tuple[str, ...] = ()
    """Where the client alone spoke: its blocks, but for tool results."""


class Unwrapper:
    """The wrapping rules of all clients, compiled."""

    def __init__(self, clients: Sequence[ClientDoc]) -> None:
        self._tags = TagRules(clients)
        self._skips = [(rule, c.name) for c in clients for rule in c.skip_parts]
        self._results = [(rule, c.name) for c in clients for rule in c.results]
        self._replies = [rule for c in clients for rule in c.replies]
        self._broken = [(rule, c.name) for c in clients for rule in c.broken_calls]
        self._summaries = [(PartDoc(starts=c.summaries), c.name) for c in clients if c.summaries]
        self._headers = [(rule, c.name) for c in clients for rule in c.headers]
        self._blocks = [(rule, c.name) for c in clients for rule in c.blocks]
        self._skip_lines = tuple(start for c in clients for start in c.skip_lines)
        self._lead_ins = {c.name: tuple(c.lead_ins) for c in clients}
        headers = (start for rule, _ in self._headers for start in rule.starts)
        marks = (*headers, *(rule.opens for rule, _ in self._blocks), *self._skip_lines)
        self._is_marked = methodcaller("startswith", marks)
        rules = [*self._skips, *self._results, *self._broken, *self._summaries]
        self._openings = tuple(start for rule, _ in rules for start in rule.starts)

    def read(self, parts: Sequence[str], client: str | None) -> Unwrapped:
        """Return the turn without its envelope; `client` is what is already known of its sender."""
        turn = Unwrapped(client=client)
        kept = blocks = list(self._human_parts(shorten(parts), turn))
        found = [self._tags.find(part) for part in kept]
        if any(found):
            turn.client = client or self._tags.client([tag for tags in found for tag in tags]) or turn.client
            kept = self._untagged(zip(kept, found, strict=True), turn)
        turn.text = self._polish("\n".join(kept), turn)
        if not turn.text:
            turn.unspoken = tuple(blocks)
        return turn

    def _human_parts(self, parts: Iterable[str], turn: Unwrapped) -> Iterable[str]:
        """Yield the parts that no rule calls the client's own."""
        header = ""
        for part in parts:
            head = part[:_HEAD_CHARS].lstrip()
            if header:
                turn.results.append(part)
                yield from self._reply(header, part)
                header = ""
            elif owner := self._tags.owner(head if len(part) < _HEAD_CHARS else part.lstrip()):
                turn.client = turn.client or owner
            elif not head.startswith(self._openings):
                yield part
            elif rule := _match(self._results, head, part, turn):
                header, body = _split_header(part, rule)
                if body.strip():
                    turn.results.append(body)
                    yield from self._reply(header, body)
                    header = ""
            elif not self._is_clients_own(head, part, turn):
                yield part

    def _is_clients_own(self, head: str, part: str, turn: Unwrapped) -> bool:
        if _match(self._skips, head, part, turn):
            return True
        if _match(self._summaries, head, part, turn):
            turn.summary = turn.summary or part
            return True
        broken = _match(self._broken, head, part, turn) is not None
        turn.broken_calls += broken
        return broken

    def _reply(self, header: str, body: str) -> Iterable[str]:
        """Yield the words a person typed into a tool result: an answer, feedback to a refusal."""
        for rule in self._replies:
            if header.startswith(rule.header) and body.lstrip().startswith(rule.body or f"<{rule.tag}>"):
                yield _inside(body, rule)
                return

    def _untagged(self, parts: Iterable[tuple[str, list[Tag]]], turn: Unwrapped) -> list[str]:
        """Return the parts without their tag blocks, or the words of `only` tags where there are any."""
        only: list[str] = []
        texts: list[str] = []
        for part, tags in parts:
            cut = self._tags.cut(part, tags, turn.client)
            only.extend(cut.only)
            texts.append("".join(cut.kept))
            turn.evidence.extend(block for block in cut.evidence if block.strip())
            turn.summary = turn.summary or cut.summary
        return only or texts

    def _polish(self, text: str, turn: Unwrapped) -> str:
        """Apply the rules on lines: headers, blocks, single lines and lead-ins."""
        text = text.strip()
        if any(map(self._is_marked, text.split("\n"))):
            text = self._without_marked(text, turn)
        for lead_in in self._lead_ins.get(turn.client or "", ()):
            text = text.removeprefix(lead_in).lstrip()
        return text

    def _without_marked(self, text: str, turn: Unwrapped) -> str:
        for header, client in self._headers:
            if text.startswith(tuple(header.starts)):
                text = _after_marker(text, header)
                turn.client = turn.client or client
        for block, client in self._blocks:
            found = _line(text, block.opens, 0)
            if found >= 0:
                text = _without_block(text, found, block, turn.evidence)
                turn.client = turn.client or client
        lines = text.split("\n")
        return "\n".join(line for line in lines if not line.startswith(self._skip_lines)).strip()


def shorten(parts: Sequence[str]) -> Sequence[str]:
    """Return the parts of a turn, cut down to `MAX_TURN_CHARS` in all."""
    if len(parts) > _MAX_PARTS:
        parts = (*parts[: _MAX_PARTS // 2], *parts[-_MAX_PARTS // 2 :])
    total = sum(map(len, parts))
    if total <= MAX_TURN_CHARS:
        return parts
    share = MAX_TURN_CHARS // len(parts)
    return [part if len(part) <= share else _ends(part, share) for part in parts]


def _ends(part: str, size: int) -> str:
    """Return two thirds of `size` from the beginning and one from the end, cut between lines if it can."""
    head, tail = size * 2 // 3, len(part) - size // 3
    line_end = part.rfind("\n", head - _MAX_LINE_CHARS, head)
    line_start = part.find("\n", tail, tail + _MAX_LINE_CHARS)
    head = line_end if line_end >= 0 else head
    tail = line_start + 1 if line_start >= 0 else tail
    return f"{part[:head]}\n{part[tail:]}"


def _match(rules: Iterable[tuple[PartDoc, str]], head: str, part: str, turn: Unwrapped) -> PartDoc | None:
    for rule, client in rules:
        if not head.startswith(tuple(rule.starts)) or rule.has not in head.split("\n", 1)[0]:
            continue
        if rule.whole and part.strip() not in rule.starts:
            continue
        turn.client = turn.client or client
        if not rule.unless or rule.unless not in part:
            return rule
    return None


def _split_header(part: str, rule: PartDoc) -> tuple[str, str]:
    part = part.lstrip()
    start = next(start for start in rule.starts if part.startswith(start))
    end = part.find(rule.has) + len(rule.has) if rule.has else len(start)
    return part[:end], part[end:]


def _inside(body: str, rule: ReplyDoc) -> str:
    """Return the words in the first block of the reply's tag, which must follow its announcement at once."""
    opening = f"<{rule.tag}>"
    start = body.find(opening, 0, _HEAD_CHARS)
    end = body.find(f"</{rule.tag}>", start)
    return body[start + len(opening) : end] if 0 <= start <= end else ""


def _after_marker(text: str, rule: HeaderDoc) -> str:
    """Return what follows the last line that begins with the marker."""
    found = text.rfind(f"\n{rule.marker}")
    return text[found + 1 + len(rule.marker) :].strip() if found >= 0 else ""


def _without_block(text: str, start: int, rule: BlockDoc, evidence: list[str]) -> str:
    """Take out the block that opens at `start`; without its closing line it runs to the end."""
    end = _line(text, rule.closes, start) if rule.closes else -1
    body = text[start + len(rule.opens) : end if end >= 0 else len(text)].strip("\n")
    if rule.evidence and body.strip():
        evidence.append(body)
    rest = text[end + len(rule.closes) :] if end >= 0 else ""
    return f"{text[:start]}{rest}".strip()


def _line(text: str, start: str, position: int) -> int:
    """Return where a line begins with `start` at or after `position`, or -1."""
    if position == 0 and text.startswith(start):
        return 0
    found = text.find(f"\n{start}", position)
    return found + 1 if found >= 0 else -1
