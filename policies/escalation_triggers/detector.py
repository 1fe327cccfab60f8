"""The learnt detector: one pass over an ask gives every trigger's probability and the gain to expect of premium.

A linear model over words, word pairs and title words, kept as integers: each known feature maps to one wide
integer that packs a 24-bit lane per output, so scoring is a sum of dictionary look-ups and one unpacking.
Training (`python -m tools.train`) imports `features` and `measures` from here, so the two sides cannot drift.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from types import MappingProxyType
from typing import Final

LABELS: Final[tuple[str, ...]] = (
    "security",
    "performance",
    "database",
    "architecture",
    "refactor",
    "integration",
    "multi_file",
    "routine",
    "hard",
)
KINDS: Final[tuple[str, ...]] = (
    "exam",
    "maths",
    "contest",
    "function",
    "trace",
    "tool",
    "cloze",
    "chat",
    "work",
)
"""What an ask looks like; the gain of a premium model is estimated per kind and blended."""

GAINS: Final[tuple[str, ...]] = ("gain_exam", "gain_code", "gain_any")
LANES: Final[tuple[str, ...]] = (*LABELS, *(f"kind_{kind}" for kind in KINDS), *GAINS)
EVIDENCE: Final[tuple[str, ...]] = (*LABELS, *GAINS)
"""The lanes that an expert may weigh when it estimates the gain."""

HEAD_CHARS: Final = 3000
TAIL_CHARS: Final = 1000
TITLE_CHARS: Final = 120
EXEMPLAR_CHARS: Final = 20_000
"""Longer texts are not searched for worked examples before the question."""

NORM_STEPS: Final = 2
"""Steps per unit of squared inverse document frequency in the norm lane."""

_MAGIC: Final = b"detector 1\n"
_LANE_BYTES: Final = 3
_ZERO: Final = 128
"""A stored weight of 128 means 0, so that lanes never borrow from each other."""

_SPAN_CHARS: Final = 80
_MAX_BLOB_BYTES: Final = 1 << 26
_TOKEN: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\w\s]|[^\W\d_A-Za-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """A stretch of the text given that moved a score: character offsets and log-odds."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Calibrated probability per label, expected gain of premium in 0..1, share of features known."""

    probabilities: Mapping[str, float]
    gain: float
    known_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Read one lane: `scale` turns a step into model units, `bias` and `slope` make calibrated log-odds."""

    scale: float
    bias: float
    slope: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expert:
    """Estimate the gain for one kind of ask: a mean and a weight per measure and per `EVIDENCE` lane."""

    mean: float
    measures: tuple[float, ...]
    evidence: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Hold everything but the per-feature weights; one lane per name in `LANES`, one expert per kind."""

    lanes: tuple[Lane, ...]
    experts: tuple[Expert, ...]
    centres: tuple[float, ...]
    spreads: tuple[float, ...]


def tokens(text: str) -> list[str]:
    """Return lower-case words, camelCase parts, numbers and single marks, in order."""
    return [token for token in "\n".join(_TOKEN.findall(text)).lower().split("\n") if token]


def reading(text: str) -> tuple[tuple[int, int], ...]:
    """Return the ranges of `text` that are read: after any worked examples, the head and the tail."""
    start = _ask_start(text) if len(text) <= EXEMPLAR_CHARS else 0
    if len(text) - start <= HEAD_CHARS + TAIL_CHARS:
        return ((start, len(text)),)
    return ((start, start + HEAD_CHARS), (len(text) - TAIL_CHARS, len(text)))


def features(text: str) -> set[str]:
    """Return the distinct features of `text`: tokens, pairs of words, title words and size buckets."""
    piece = _piece(text)
    return _features(piece, tokens(piece))


def measures(text: str) -> tuple[float, ...]:
    """Return the shape of `text` as numbers, none of them about what it says."""
    piece = _piece(text)
    return _measures(piece, tokens(piece))


def pack(head: Head, vocabulary: Sequence[str], weights: bytes) -> bytes:
    """Return the file that `Detector.load` reads.

    Args:
        head: what the lanes mean.
        vocabulary: one feature per row of `weights`, free of newlines.
        weights: rows of one byte per lane plus one for the norm; 128 is zero, the norm is plain.
    """
    meta = json.dumps(
        {
            "names": LANES,
            "rows": len(vocabulary),
            "lanes": [(lane.scale, lane.bias, lane.slope) for lane in head.lanes],
            "experts": [(expert.mean, expert.measures, expert.evidence) for expert in head.experts],
            "centres": head.centres,
            "spreads": head.spreads,
        }
    )
    body = zlib.compress(b"\n".join((meta.encode(), "\t".join(vocabulary).encode(), weights)), 9)
    return _MAGIC + hashlib.sha256(body).digest() + body


class Detector:
    """Score and explain texts with one set of weights; pure, total and bounded in the text's size."""

    __slots__ = ("_head", "_offset", "_weights", "revision")

    revision: str

    def __init__(self, head: Head, weights: dict[str, int], revision: str) -> None:
        self._head = head
        self._weights = weights
        self._offset = repeat(0)
        self.revision = revision

    @classmethod
    def load(cls, blob: bytes) -> Detector:
        """Return the detector stored in `blob`.

        Raises:
            ValueError: the bytes are cut short, altered, or written for other labels.
        """
        body = _checked_body(blob)
        try:
            meta, names, rows = body.split(b"\n", 2)
            head, count = _parse_head(meta)
            weights = _unpack_rows(names.decode().split("\t"), rows, count)
        except (KeyError, TypeError, IndexError, UnicodeDecodeError) as error:
            raise ValueError(f"detector weights are malformed ({error!r}): rebuild them") from error
        return cls(head, weights, hashlib.sha256(blob).hexdigest()[:16])

    def score(self, text: str) -> Scores:
        """Return all probabilities and the gain for `text`; reads a bounded part of any text."""
        piece = _piece(text)
        words = tokens(piece)
        found = _features(piece, words)
        lanes, known = self._sum(found)
        shape = _measures(piece, words)
        return Scores(
            probabilities=MappingProxyType(
                {label: _sigmoid(lane) for label, lane in zip(LABELS, lanes, strict=False)}
            ),
            gain=self._gain(lanes, shape),
            known_fraction=known / len(found) if found else 0.0,
        )

    def explain(self, text: str, label: str, *, most: int = 5) -> tuple[Contribution, ...]:
        """Return the stretches of `text` that moved `label` most, strongest first, none overlapping.

        Raises:
            KeyError: `label` is not one of `LABELS`.
        """
        if label not in LABELS:
            raise KeyError(f"unknown label `{label}`: use one of {', '.join(LABELS)}")
        step = self._step(features(text), LABELS.index(label))
        weighed: dict[tuple[int, int], float] = {}
        for span, feature in _first_places(text):
            row = self._weights.get(feature, 0)
            if row:
                weighed[span] = weighed.get(span, 0.0) + step * (_byte(row, LABELS.index(label)) - _ZERO)
        return _strongest(weighed, most)

    def _sum(self, found: set[str]) -> tuple[list[float], int]:
        """Return calibrated log-odds (or gain) per lane and how many features were known."""
        rows = [row for row in map(self._weights.get, found) if row]
        width = _LANE_BYTES * (len(LANES) + 1)
        raw = sum(rows).to_bytes(width, "little")
        sums = [int.from_bytes(raw[at : at + _LANE_BYTES], "little") for at in range(0, width, _LANE_BYTES)]
        norm = math.sqrt(NORM_STEPS / max(sums[-1], 1))
        zero = _ZERO * len(rows)
        return [
            lane.bias + lane.slope * lane.scale * norm * (total - zero)
            for lane, total in zip(self._head.lanes, sums, strict=False)
        ], len(rows)

    def _step(self, found: set[str], index: int) -> float:
        """Return the log-odds that one step of a lane's weight is worth in a text."""
        squares = sum(_byte(row, len(LANES)) for row in map(self._weights.get, found) if row)
        lane = self._head.lanes[index]
        return lane.slope * lane.scale * math.sqrt(NORM_STEPS / max(squares, 1))

    def _gain(self, lanes: Sequence[float], shape: Sequence[float]) -> float:
        """Return the blend of the experts' estimates, weighted by what kind of ask this looks like."""
        first = len(LABELS)
        shares = _softmax(lanes[first : first + len(KINDS)])
        evidence = [*lanes[:first], *lanes[first + len(KINDS) :]]
        centred = [(x - c) / s for x, c, s in zip(shape, self._head.centres, self._head.spreads, strict=True)]
        blend = sum(
            share * _estimate(expert, centred, evidence)
            for share, expert in zip(shares, self._head.experts, strict=True)
            if share > 1e-3  # noqa: PLR2004  (a kind this unlikely cannot move the blend)
        )
        return _squash(blend)


def _ask_start(text: str) -> int:
    """Return where the last question starts when earlier ones end in the same cue, such as `Answer:`."""
    body = text.rstrip()
    cue = body[body.rfind("\n") + 1 :]
    if len(cue) < 3 or not cue.endswith(":"):  # noqa: PLR2004  (`A:` alone is too common in prose)
        return 0
    before = body.rfind(f"\n{cue}\n", 0, len(body) - len(cue))
    return 0 if before < 0 else before + len(cue) + 2


def _piece(text: str) -> str:
    return "\n".join(text[start:end] for start, end in reading(text))


def _title(piece: str) -> str:
    return piece[:HEAD_CHARS].lstrip()[:TITLE_CHARS].split("\n", 1)[0]


def _features(piece: str, words: list[str]) -> set[str]:
    plain = [word for word in words if word.isalnum()]
    found = set(words)
    found.update(map(" ".join, pairwise(plain)))
    found.update("^" + word for word in tokens(_title(piece)))
    if plain:
        found.update(("^ " + plain[0], "^ " + " ".join(plain[:2])))
    found.add(f"#chars{_bucket(len(piece))}")
    found.add(f"#lines{_bucket(piece.count(chr(10)))}")
    return found


def _bucket(size: int) -> int:
    return int(2 * math.log2(size + 1))


def _measures(piece: str, words: list[str]) -> tuple[float, ...]:
    distinct = set(words)
    numbers = [word for word in distinct if word.isdigit()]
    total = len(words) or 1
    marks = (",", ".", " and ", "(", "=", "[", "'", '"')
    return (
        math.log(len(piece) + 1),
        math.log(piece.count("\n") + 1),
        math.log(len(numbers) + 1),
        math.log(len(distinct) + 1),
        len(distinct) / total,
        len(piece) / total,
        sum(map(str.isalnum, words)) / total,
        min(3.0, piece.count("?")),
        math.log(max(map(len, numbers), default=0) + 1),
        *(math.log(piece.count(mark) + 1) for mark in marks),
    )


def _places(text: str) -> Iterator[tuple[int, int, str]]:
    for start, end in reading(text):
        for match in _TOKEN.finditer(text, start, end):
            yield match.start(), match.end(), match.group().lower()


def _first_places(text: str) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield each feature of the words once, with the span of its first occurrence."""
    seen: set[str] = set()
    placed = list(_places(text))
    plain = [place for place in placed if place[2].isalnum()]
    pairs = [(a[0], b[1], f"{a[2]} {b[2]}") for a, b in pairwise(plain)]
    titled = [(start, end, "^" + word) for start, end, word in placed[: len(tokens(_title(_piece(text))))]]
    for start, end, feature in (*placed, *titled, *pairs):
        if feature not in seen and end - start <= _SPAN_CHARS:
            seen.add(feature)
            yield (start, end), feature


def _strongest(weighed: Mapping[tuple[int, int], float], most: int) -> tuple[Contribution, ...]:
    chosen: list[Contribution] = []
    for (start, end), weight in sorted(weighed.items(), key=lambda item: (-abs(item[1]), item[0])):
        if len(chosen) >= most:
            break
        if weight and all(end <= other.start or start >= other.end for other in chosen):
            chosen.append(Contribution(start=start, end=end, weight=weight))
    return tuple(chosen)


def _checked_body(blob: bytes) -> bytes:
    if not blob.startswith(_MAGIC):
        raise ValueError("not a detector file: expected it to start with `detector 1`")
    body = blob[len(_MAGIC) + 32 :]
    if hashlib.sha256(body).digest() != blob[len(_MAGIC) : len(_MAGIC) + 32]:
        raise ValueError("detector file is damaged: its checksum does not match, restore or rebuild it")
    try:
        return zlib.decompressobj().decompress(body, _MAX_BLOB_BYTES)
    except zlib.error as error:
        raise ValueError(f"detector file does not decompress ({error}): rebuild it") from error


def _parse_head(meta: bytes) -> tuple[Head, int]:
    raw = json.loads(meta)
    if tuple(raw["names"]) != LANES:
        raise ValueError("detector weights were trained for other labels: rebuild them")
    head = Head(
        lanes=tuple(Lane(scale=a, bias=b, slope=c) for a, b, c in raw["lanes"]),
        experts=tuple(Expert(mean=m, measures=tuple(w), evidence=tuple(e)) for m, w, e in raw["experts"]),
        centres=tuple(raw["centres"]),
        spreads=tuple(raw["spreads"]),
    )
    if len(head.lanes) != len(LANES) or len(head.experts) != len(KINDS):
        raise ValueError("detector weights lack a lane or an expert: rebuild them")
    return head, int(raw["rows"])


def _unpack_rows(names: list[str], rows: bytes, count: int) -> dict[str, int]:
    """Widen every byte to a lane at C speed, then cut one integer per feature."""
    lanes = len(LANES) + 1
    if len(names) != count or len(rows) != count * lanes:
        raise ValueError(f"detector weights hold {len(rows)} bytes for {count} features: rebuild them")
    wide = bytearray(len(rows) * _LANE_BYTES)
    wide[::_LANE_BYTES] = rows
    width = lanes * _LANE_BYTES
    read = int.from_bytes
    return {
        name: read(wide[at : at + width], "little")
        for name, at in zip(names, range(0, len(wide), width), strict=True)
    }


def _byte(row: int, lane: int) -> int:
    return (row >> (8 * _LANE_BYTES * lane)) & 255


def _estimate(expert: Expert, shape: Sequence[float], evidence: Sequence[float]) -> float:
    by_shape = sum(w * x for w, x in zip(expert.measures, shape, strict=True))
    return expert.mean + by_shape + sum(w * x for w, x in zip(expert.evidence, evidence, strict=True))


def _sigmoid(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, log_odds))))


def _softmax(log_odds: Sequence[float]) -> list[float]:
    top = max(log_odds)
    raw = [math.exp(value - top) for value in log_odds]
    total = sum(raw)
    return [value / total for value in raw]


def _squash(estimate: float) -> float:
    """Clip an estimate to 0..1 smoothly, so that ranks survive and the middle stays what it was."""
    bounded = max(-2.0, min(3.0, estimate))
    return min(1.0, (_softplus(bounded) - _softplus(bounded - 1.0)))


def _softplus(value: float) -> float:
    return math.log1p(math.exp(20.0 * value)) / 20.0
