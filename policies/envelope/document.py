"""The shape of `envelopes.yaml`: literals only, so no entry can stall the reader."""

from __future__ import annotations

from typing import Literal

import msgspec

TagKind = Literal["ask", "only", "drop", "evidence", "summary"]
"""`ask` loses its markup and keeps its words; `only` is the ask, whatever else its client wrote; `drop` is
the client's own; `evidence` is pasted material; `summary` stands in where no human words are left."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping that refuses names it does not know."""


class PartDoc(_Strict, frozen=True):
    """A text block is not the human's: it opens with one of `starts`, with `has` in its first line.

    `whole` asks that nothing else be in it; a block that holds `unless` only gives its client away.
    """

    starts: list[str]
    has: str = ""
    unless: str = ""
    whole: bool = False


class BlockDoc(_Strict, frozen=True):
    """From a line that begins with `opens` to one that begins with `closes`, or else to the end."""

    opens: str
    closes: str = ""
    evidence: bool = False


class HeaderDoc(_Strict, frozen=True):
    """In a text that opens with one of `starts`, the ask is what follows the last line `marker`."""

    starts: list[str]
    marker: str


class CarriedDoc(_Strict, frozen=True):
    """Human words inside a dropped tag: they follow `starts` and stop before one of `ends`."""

    tag: str
    starts: str
    ends: list[str] = []


class ReplyDoc(_Strict, frozen=True):
    """Human words inside a tool result: under header `header`, after `body`, inside `tag`."""

    header: str
    tag: str
    body: str = ""


class ClientDoc(_Strict, frozen=True):
    """How one client wraps what its user types."""

    name: str
    system: list[str] = []
    tags: dict[str, TagKind] = {}
    everyday_tags: dict[str, TagKind] = {}
    skip_parts: list[PartDoc] = []
    summaries: list[str] = []
    skip_lines: list[str] = []
    lead_ins: list[str] = []
    blocks: list[BlockDoc] = []
    headers: list[HeaderDoc] = []
    carried: list[CarriedDoc] = []
    results: list[PartDoc] = []
    replies: list[ReplyDoc] = []
    broken_calls: list[PartDoc] = []
    replies_by_rote: list[str] = []


class HousekeepingDoc(_Strict, frozen=True):
    """A side call, told by the client's own fixed wording; every condition given must hold."""

    name: str
    system: list[str] = []
    starts: list[str] = []
    exactly: list[str] = []
    has: list[str] = []
    tools: bool | None = None
    max_messages: int = 0
    max_chars: int = 0


class FailuresDoc(_Strict, frozen=True):
    """How a line of a tool result tells that something failed."""

    starts: list[str] = []
    first_word_ends: list[str] = []
    has: list[str] = []
    unless: list[str] = []


class WordingDoc(_Strict, frozen=True):
    """Short phrases people use to approve and to complain, in any language."""

    approvals: list[str] = []
    choices: list[str] = []
    fillers: list[str] = []
    complaints: list[str] = []


class EnvelopesDoc(_Strict, frozen=True):
    """The whole file."""

    clients: list[ClientDoc]
    housekeeping: list[HousekeepingDoc] = []
    failures: FailuresDoc = FailuresDoc()
    wording: WordingDoc = WordingDoc()


def parse(document: object) -> EnvelopesDoc:
    """Return the document as structs; raise ValueError with the YAML path and the remedy."""
    try:
        doc = msgspec.convert(document, EnvelopesDoc, strict=True)
    except msgspec.ValidationError as error:
        message = f"{str(error)[:1].lower()}{str(error)[1:]}"
        raise ValueError(f"{message}; correct that entry of the envelopes") from None
    _check_names(doc)
    _check_literals(msgspec.to_builtins(doc), "$")
    _check_tags(doc)
    _check_housekeeping(doc)
    return doc


def _check_names(doc: EnvelopesDoc) -> None:
    seen: set[str] = set()
    for index, client in enumerate(doc.clients):
        if client.name in seen:
            raise ValueError(f"`$.clients[{index}].name` repeats `{client.name}`; merge the two clients")
        seen.add(client.name)


def _check_literals(value: object, path: str) -> None:
    """Refuse a blank literal in a list or a mapping's key: it would match everything."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if item == "" or (isinstance(item, str) and not item.strip()):
                raise ValueError(f"`{path}[{index}]` is blank and would match everything; remove it")
            _check_literals(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _MATCHED and isinstance(item, str) and not item.strip():
                raise ValueError(f"`{path}.{key}` is blank and would match everything; give its text")
            _check_literals(item, f"{path}.{key}")


_MATCHED = frozenset({"name", "starts", "opens", "marker", "tag", "header"})


def _check_tags(doc: EnvelopesDoc) -> None:
    kinds: dict[str, str] = {}
    for index, client in enumerate(doc.clients):
        for field, tags in (("tags", client.tags), ("everyday_tags", client.everyday_tags)):
            for name in tags:
                path = f"$.clients[{index}].{field}.{name}"
                if not name.strip("_-").replace("_", "").replace("-", "").isalnum():
                    raise ValueError(f"`{path}` is not a tag name; use letters, digits, `-` and `_`")
                if field == "tags" and name in kinds:
                    raise ValueError(f"`{path}` is claimed by `{kinds[name]}` too; keep it in one client")
                if field == "tags":
                    kinds[name] = client.name


def _check_housekeeping(doc: EnvelopesDoc) -> None:
    for index, rule in enumerate(doc.housekeeping):
        if not (rule.system or rule.starts or rule.exactly):
            path = f"$.housekeeping[{index}]"
            raise ValueError(f"`{path}` has no anchor; give `system`, `starts` or `exactly`")
