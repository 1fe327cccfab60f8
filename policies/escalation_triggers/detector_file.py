"""The file of the learnt detector: what its lanes mean, and one packed integer per known feature."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import add
from typing import Final

import msgspec

from policies.escalation_triggers.detector_text import MEASURES

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

NORM_STEPS: Final = 2
"""Steps per unit of squared inverse document frequency in the norm lane."""

ZERO: Final = 128
"""A stored weight of 128 means 0, so that lanes never borrow from each other."""

_MAGIC: Final = b"detector 2\n"
_DIGEST_BYTES: Final = 32
_LANE_BYTES: Final = 2
_ADDED: Final = 256
"""How many packed integers can be added before a lane of bytes runs over; narrow ones keep caches warm."""
_MAX_BODY_BYTES: Final = 1 << 26
_STORED: Final = len(LANES) + 1
_ROW: Final = struct.Struct(f"<{_STORED + 1}H")


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """Read one lane: `scale` turns a step into model units, `bias` and `slope` make calibrated log-odds."""

    scale: float
    bias: float
    slope: float


class Expert(msgspec.Struct, frozen=True, kw_only=True):
    """Estimate the gain for one kind of ask: a mean and a weight per measure and per `EVIDENCE` lane."""

    mean: float
    measures: tuple[float, ...]
    evidence: tuple[float, ...]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Hold everything but the per-feature weights; one lane per name in `LANES`, one expert per kind."""

    lanes: tuple[Lane, ...]
    experts: tuple[Expert, ...]
    centres: tuple[float, ...]
    spreads: tuple[float, ...]


def pack(head: Head, vocabulary: Sequence[str], weights: bytes) -> bytes:
    """Return the file that `unpack` reads.

    Args:
        head: what the lanes mean.
        vocabulary: one ASCII feature per row of `weights`, free of tabs and newlines.
        weights: rows of one byte per lane plus one for the norm; 128 is zero, the norm is plain.
    """
    meta = json.dumps(
        {
            "names": LANES,
            "measures": MEASURES,
            "rows": len(vocabulary),
            "lanes": [(lane.scale, lane.bias, lane.slope) for lane in head.lanes],
            "experts": [(expert.mean, expert.measures, expert.evidence) for expert in head.experts],
            "centres": head.centres,
            "spreads": head.spreads,
        }
    )
    body = zlib.compress(b"\n".join((meta.encode(), "\t".join(vocabulary).encode(), weights)), 9)
    return _MAGIC + hashlib.sha256(body).digest() + body


def unpack(blob: bytes) -> tuple[Head, dict[bytes, int]]:
    """Return the head and one packed integer per feature: its lanes, its norm, and 1 to count it by.

    Raises:
        ValueError: the bytes are cut short, altered, or written for other labels.
    """
    try:
        meta, names, rows = _checked_body(blob).split(b"\n", 2)
        head, count = _parse_head(meta)
        return head, _unpack_rows(names.split(b"\t"), rows, count)
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"detector weights are malformed ({error!r}): rebuild them") from error


def lane_sums(rows: Iterable[int]) -> tuple[int, ...]:
    """Return the sum of every lane over packed integers; last that of the norm, and how many they are."""
    left = iter(rows)
    sums = _ROW.unpack(sum(islice(left, _ADDED)).to_bytes(_ROW.size, "little"))
    while more := sum(islice(left, _ADDED)):
        sums = tuple(map(add, sums, _ROW.unpack(more.to_bytes(_ROW.size, "little"))))
    return sums


def lane_steps(rows: Iterable[int], lane: int) -> list[int]:
    """Return what each packed integer says in one lane, in steps from nothing."""
    shift = 8 * _LANE_BYTES * lane
    return [(row >> shift & 255) - ZERO for row in rows]


def _checked_body(blob: bytes) -> bytes:
    if not blob.startswith(_MAGIC):
        raise ValueError("not a detector file: expected it to start with `detector 2`")
    digest, body = blob[len(_MAGIC) :][:_DIGEST_BYTES], blob[len(_MAGIC) + _DIGEST_BYTES :]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("detector file is damaged: its checksum does not match, restore or rebuild it")
    try:
        return zlib.decompressobj().decompress(body, _MAX_BODY_BYTES)
    except zlib.error as error:
        raise ValueError(f"detector file does not decompress ({error}): rebuild it") from error


def _parse_head(meta: bytes) -> tuple[Head, int]:
    raw = json.loads(meta)
    if tuple(raw["names"]) != LANES or tuple(raw["measures"]) != MEASURES:
        raise ValueError("detector weights were trained for other labels or measures: rebuild them")
    head = Head(
        lanes=tuple(Lane(scale=a, bias=b, slope=c) for a, b, c in raw["lanes"]),
        experts=tuple(Expert(mean=m, measures=tuple(w), evidence=tuple(e)) for m, w, e in raw["experts"]),
        centres=tuple(raw["centres"]),
        spreads=tuple(raw["spreads"]),
    )
    _check_sizes(head)
    return head, int(raw["rows"])


def _check_sizes(head: Head) -> None:
    """Raise ValueError for a head that does not fit this code: a missing number would count as zero."""
    if len(head.lanes) != len(LANES) or len(head.experts) != len(KINDS):
        raise ValueError("detector weights lack a lane or an expert: rebuild them")
    if any(len(expert.evidence) != len(EVIDENCE) for expert in head.experts):
        raise ValueError("an expert of the detector weighs other evidence than there is: rebuild the weights")
    if {len(head.centres), len(head.spreads), *(len(e.measures) for e in head.experts)} != {len(MEASURES)}:
        raise ValueError(
            "an expert of the detector weighs other measures than there are: rebuild the weights"
        )


def _unpack_rows(names: list[bytes], rows: bytes, count: int) -> dict[bytes, int]:
    """Widen every byte to a lane at C speed, then cut one integer per feature."""
    if len(names) != count or len(rows) != count * _STORED:
        raise ValueError(f"detector weights hold {len(rows)} bytes for {count} features: rebuild them")
    width, read = _ROW.size, int.from_bytes
    wide = bytearray(width * count)
    for lane in range(_STORED):
        wide[lane * _LANE_BYTES :: width] = rows[lane::_STORED]
    wide[_STORED * _LANE_BYTES :: width] = b"\1" * count
    starts = range(0, len(wide), width)
    return {name: read(wide[at : at + width], "little") for name, at in zip(names, starts, strict=True)}
