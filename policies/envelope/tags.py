"""Tag blocks: what stands between `<name ...>` and `</name>`, found in one pass and paired by stacks.

The pattern is an alternation of escaped names and one bounded character class, so its time is linear in
the text whatever the text holds.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from policies.envelope.document import CarriedDoc, ClientDoc, TagKind

_MAX_ATTRIBUTES = 400
_TAGS_OF_ONE_BLOCK = 2


class Tag(NamedTuple):
    """One tag of a known name, with its character offsets."""

    start: int
    end: int
    name: str
    closing: bool


class Cut(msgspec.Struct):
    """A text without the tag blocks of its client."""

    kept: list[str] = msgspec.field(default_factory=list)
    only: list[str] = msgspec.field(default_factory=list)
    evidence: list[str] = msgspec.field(default_factory=list)
    summary: str = ""


class TagRules:
    """The tags of all clients, compiled."""

    def __init__(self, clients: Sequence[ClientDoc]) -> None:
        self._sure = {name: (kind, c.name) for c in clients for name, kind in c.tags.items()}
        self._everyday = {c.name: c.everyday_tags for c in clients if c.everyday_tags}
        self._carried: Mapping[str, Sequence[CarriedDoc]] = _by_tag(clients)
        self._template_clients = {client for kind, client in self._sure.values() if kind == "only"}
        names = {*self._sure, *(name for tags in self._everyday.values() for name in tags)}
        longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        tail = f"(?=[\\s>])[^<>]{{0,{_MAX_ATTRIBUTES}}}>"
        self._pattern = re.compile(f"<(/?)({longest_first}){tail}" if names else r"(?!)")

    def find(self, text: str) -> list[Tag]:
        """Return every tag of a known name, in order."""
        if "<" not in text:
            return []
        found = self._pattern.finditer(text)
        return [Tag(match.start(), match.end(), match[2], bool(match[1])) for match in found]

    def client(self, tags: Sequence[Tag]) -> str | None:
        """Return the client that the first tag only one client uses gives away."""
        return next((self._sure[tag.name][1] for tag in tags if tag.name in self._sure), None)

    def owner(self, text: str) -> str | None:
        """Return the client whose one dropped block is all of `text`; told without a search, being common."""
        if text[:1] != "<" or text.count("<") != _TAGS_OF_ONE_BLOCK:
            return None
        name = text[1 : text.find(">")]
        kind, client = self._sure.get(name, (None, None))
        if kind != "drop" or not text.rstrip().endswith(f"</{name}>"):
            return None
        body = text[len(name) + 2 :].lstrip()
        return None if any(body.startswith(rule.starts) for rule in self._carried.get(name, ())) else client

    def cut(self, text: str, tags: Sequence[Tag], client: str | None) -> Cut:
        """Return `text` without its blocks; everyday names count only for the `client` that uses them."""
        everyday = self._everyday.get(client or "", {})
        kinds = [self._sure[t.name][0] if t.name in self._sure else everyday.get(t.name) for t in tags]
        blank = len(text) - len(text.lstrip())
        if not (tags and tags[0].start <= blank and self._templates(tags[0])):
            kinds = ["ask" if kind == "only" else kind for kind in kinds]
        return _Walk(text, tags, kinds, self._carried).cut()

    def _templates(self, tag: Tag) -> bool:
        """Tell whether a tag is of a client that sets the ask into a text of its own."""
        return tag.name in self._sure and self._sure[tag.name][1] in self._template_clients


class _Walk:
    """One pass over the tags of one text."""

    def __init__(
        self,
        text: str,
        tags: Sequence[Tag],
        kinds: Sequence[TagKind | None],
        carried: Mapping[str, Sequence[CarriedDoc]],
    ) -> None:
        self._text = text
        self._tags = tags
        self._kinds = kinds
        self._carried = carried
        self._partner = _pair(tags)
        self._ask_marks = _outermost(tags, kinds) if "ask" in kinds else frozenset()

    def cut(self) -> Cut:
        """Keep what is outside blocks. One that is never closed is text: it could hide the whole ask."""
        cut = Cut()
        position = index = 0
        while index < len(self._tags):
            tag, kind = self._tags[index], self._kinds[index]
            if self._is_text(index):
                index += 1
                continue
            cut.kept.append(self._text[position : tag.start])
            if tag.closing or kind is None or kind == "ask":
                position, index = tag.end, index + 1
                continue
            position, index = self._block(cut, index, kind)
        cut.kept.append(self._text[position:])
        return cut

    def _is_text(self, index: int) -> bool:
        """Tell whether a tag is part of what someone wrote: of no active name, unclosed, or inside an ask."""
        tag, kind = self._tags[index], self._kinds[index]
        if kind == "ask":
            return index not in self._ask_marks
        return kind is None or (not tag.closing and index not in self._partner)

    def _block(self, cut: Cut, index: int, kind: TagKind) -> tuple[int, int]:
        """Take the block that opens at tag `index`; return where the text and the tags go on."""
        last = self._partner.get(index)
        tag = self._tags[index]
        stop = end = len(self._text)
        following = len(self._tags)
        if last is not None:
            stop, end, following = self._tags[last].start, self._tags[last].end, last + 1
        body = self._text[tag.end : stop]
        if kind == "only":
            cut.only.append(body.strip())
        elif kind == "summary":
            cut.summary = cut.summary or body
        elif kind == "evidence":
            cut.evidence.append(body.strip("\n"))
        else:
            cut.evidence.extend(self._inner(index + 1, following - 1))
        cut.kept.extend(_carried_words(body, rule) for rule in self._carried.get(tag.name, ()))
        cut.kept.append("\n")
        return end, following

    def _inner(self, index: int, stop: int) -> list[str]:
        """Return the evidence blocks among the tags `index` to `stop` of a dropped block."""
        found: list[str] = []
        while index < stop:
            last = self._partner.get(index)
            if last is None or last > stop or self._kinds[index] != "evidence":
                index += 1
                continue
            found.append(self._text[self._tags[index].end : self._tags[last].start].strip("\n"))
            index = last + 1
        return found


def _by_tag(clients: Sequence[ClientDoc]) -> dict[str, list[CarriedDoc]]:
    rules: dict[str, list[CarriedDoc]] = {}
    for client in clients:
        for rule in client.carried:
            rules.setdefault(rule.tag, []).append(rule)
    return rules


def _carried_words(body: str, rule: CarriedDoc) -> str:
    words = body.lstrip()
    if not words.startswith(rule.starts):
        return ""
    words = words[len(rule.starts) :]
    for end in rule.ends:
        found = words.rfind(end)
        words = words[:found] if found >= 0 else words
    return words


def _outermost(tags: Sequence[Tag], kinds: Sequence[TagKind | None]) -> frozenset[int]:
    """Return the first opening and the last closing tag of every `ask` name; those between are text."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for index, tag in enumerate(tags):
        if kinds[index] != "ask":
            continue
        if tag.closing:
            last[tag.name] = index
        else:
            first.setdefault(tag.name, index)
    paired = [name for name in first if first[name] < last.get(name, -1)]
    return frozenset(index for name in paired for index in (first[name], last[name]))


def _pair(tags: Sequence[Tag]) -> dict[int, int]:
    """Return the closing tag of every opening one that has any: its own, else the next of its name."""
    open_by_name: dict[str, list[int]] = {}
    closes: dict[str, list[int]] = {}
    partner: dict[int, int] = {}
    for index, tag in enumerate(tags):
        if not tag.closing:
            open_by_name.setdefault(tag.name, []).append(index)
            continue
        closes.setdefault(tag.name, []).append(index)
        if open_by_name.get(tag.name):
            partner[open_by_name[tag.name].pop()] = index
    for name, left in open_by_name.items():
        own = closes.get(name, [])
        for index in left:
            after = bisect_right(own, index)
            if after < len(own):
                partner[index] = own[after]
    return partner
