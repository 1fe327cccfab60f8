"""Read the labelled and outcome files of a data folder; licences decide what may train."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from policies.escalation_triggers.detector import KINDS, LABELS
from policies.escalation_triggers.detector_text import as_bytes, split_words

LABEL_FILES = (
    "labels_ohira_msr15",
    "labels_farsec_chromium",
    "labels_matomo",
    "labels_locbench",
    "labels_swe_gold",
    "labels_commit_human",
    "labels_satd",
    "labels_conventional_commits",
    "labels_arch_mail",
    "labels_proposals",
)
HARD_FILES = (
    "labels_ohira_msr15",
    "labels_matomo",
    "labels_locbench",
    "labels_commit_human",
    "labels_conventional_commits",
    "labels_proposals",
    "labels_arch_mail",
)
TEXT_FILES = ("effort_storypoints", "issues_nlbse24")
"""Unlabelled engineering prose: used to learn which words keep the same company."""

_NAMED = re.compile(
    r"@[A-Za-z][\w-]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?:[Bb]y|[Aa]uthors?|[Rr]eviewers?|[Cc]c|CC|[Tt]hanks,?|Hi|Hello|Dear|Regards,)"
    r"[: ]+[A-Z][a-z]+(?: [A-Z][a-z]+)?"
    r"|\([a-z]+ via [a-z]+\)|[Cc]ontributed by [^.\n]{1,40}"
)
"""Where people and addresses are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A cheap and a strong model that were both recorded on one set."""

    weak: str
    strong: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeFile:
    """One outcome set: the kind of ask it holds and the pair that judges it."""

    name: str
    kind: str
    pair: Pair | None
    trains: bool = True


_MIXTRAL = "mistralai/Mixtral-8x7B-Instruct-v0.1"
_MIXTRAL_CHAT = "mistralai/mixtral-8x7b-chat"
_GPT4 = "gpt-4-1106-preview"
_CLAUDE3 = Pair(weak="claude-3-haiku-20240307", strong="claude-3-opus-20240229")

OUTCOME_FILES = (
    OutcomeFile(
        name="livecodebench",
        kind="contest",
        pair=Pair(weak="DeepSeek-V3", strong="Claude-3.7-Sonnet (Thinking)"),
    ),
    OutcomeFile(name="bfcl_v1", kind="tool", pair=_CLAUDE3),
    OutcomeFile(name="zeroeval_crux", kind="trace", pair=_CLAUDE3),
    OutcomeFile(name="routellm_mmlu", kind="exam", pair=Pair(weak=_MIXTRAL, strong=_GPT4)),
    OutcomeFile(name="routellm_gsm8k", kind="maths", pair=Pair(weak=_MIXTRAL, strong=_GPT4)),
    OutcomeFile(name="routerbench_mbpp", kind="function", pair=Pair(weak=_MIXTRAL_CHAT, strong=_GPT4)),
    OutcomeFile(name="routerbench_arc_challenge", kind="exam", pair=Pair(weak=_MIXTRAL_CHAT, strong=_GPT4)),
    OutcomeFile(name="routerbench_winograde", kind="cloze", pair=Pair(weak=_MIXTRAL_CHAT, strong=_GPT4)),
    OutcomeFile(name="llmrouter_example", kind="chat", pair=None),
    OutcomeFile(
        name="swebench_verified",
        kind="work",
        pair=Pair(weak="GLM-4.5 (2025-08-22)", strong="Claude 4 Opus (20250514)"),
        trains=False,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One text with what is known of it; `labels` leaves out what the source does not say."""

    text: str
    file: str
    source: str
    labels: dict[str, int]
    kind: str
    scores: dict[str, float]

    @property
    def fold(self) -> int:
        """Return a number that is the same for equal texts, for splitting into folds."""
        return int(
            hashlib.md5(self.text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:8], 16
        )


def read_labelled(folder: Path) -> list[Example]:
    """Return the rows of all label files that are there."""
    return [_labelled(row, name) for name in LABEL_FILES for row in _rows(folder, name)]


def read_outcomes(folder: Path) -> list[Example]:
    """Return the rows of all outcome files that are there, judge-only files included."""
    return [_outcome(row, file) for file in OUTCOME_FILES for row in _rows(folder, file.name)]


def read_texts(folder: Path) -> list[Example]:
    """Return the unlabelled texts."""
    return [
        Example(
            text=str(row["text"]), file=name, source=str(row["source"]), labels={}, kind="work", scores={}
        )
        for name in TEXT_FILES
        for row in _rows(folder, name)
    ]


def may_train(example: Example) -> bool:
    """Return whether the licence of the example's file allows shipping what was learnt from it."""
    return all(file.trains for file in OUTCOME_FILES if file.name == example.file)


def is_plain(example: Example) -> bool:
    """Return whether the example has neither labels nor outcomes."""
    return example.file in TEXT_FILES


def private_words(examples: Iterable[Example]) -> frozenset[str]:
    """Return words that mostly occur as handles, in mail addresses or as signatures."""
    named: Counter[str] = Counter()
    often: Counter[str] = Counter()
    for example in examples:
        often.update(set(_words(example.text)))
        named.update({word for match in _NAMED.findall(example.text) for word in _words(match)})
    return frozenset(word for word, count in named.items() if word.isalpha() and count * 3 >= often[word])


def _words(text: str) -> list[str]:
    return [word.decode() for word in split_words(as_bytes(text))]


def hard_label(labels: dict[str, int]) -> int | None:
    """Return 1 for work that names a trigger, 0 for routine work, None when neither is known."""
    named = any(labels.get(name) for name in LABELS if name not in ("routine", "multi_file", "hard"))
    if labels.get("routine") == 1 and not named:
        return 0
    return 1 if named or labels.get("multi_file") else None


def _labelled(row: dict[str, object], name: str) -> Example:
    labels = {str(key): int(value or 0) for key, value in _mapping(row["labels"]).items()}
    hard = hard_label(labels) if name in HARD_FILES else None
    if hard is not None:
        labels["hard"] = hard
    return Example(
        text=str(row["text"]), file=name, source=str(row["source"]), labels=labels, kind="work", scores={}
    )


def _outcome(row: dict[str, object], file: OutcomeFile) -> Example:
    if file.kind not in KINDS:
        raise ValueError(f"unknown kind `{file.kind}` for {file.name}: add it to KINDS")
    scores = {
        name: float(value)
        for name, value in _mapping(row["scores"]).items()
        if isinstance(value, (int, float))
    }
    return Example(
        text=str(row["prompt"]), file=file.name, source=file.name, labels={}, kind=file.kind, scores=scores
    )


def _mapping(value: object) -> dict[str, float | None]:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found `{type(value).__name__}`: check the data file")
    return value


def _rows(folder: Path, name: str) -> list[dict[str, object]]:
    path = folder / f"{name}.jsonl.gz"
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
