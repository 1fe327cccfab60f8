"""Fit every lane and expert and pack them into the file the detector loads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from msgspec.structs import replace

from policies.escalation_triggers.detector import (
    EVIDENCE,
    GAINS,
    KINDS,
    LABELS,
    LANES,
    NORM_STEPS,
    Expert,
    Head,
    Lane,
    features,
    measures,
    pack,
)
from policies.escalation_triggers.detector_text import HEAD_CHARS, MEASURES, as_bytes, split_words
from tools.train.company import Floats
from tools.train.data import OUTCOME_FILES, Example, is_plain, may_train, private_words
from tools.train.solve import Linear, fit_dense_ridge, fit_logistic, fit_sparse_ridge
from tools.train.space import Document, Space, Table, build_space, build_table, weigh

GAIN_FILES: Mapping[str, tuple[str, ...]] = {
    "gain_exam": ("routellm_mmlu", "routerbench_arc_challenge"),
    "gain_code": ("livecodebench", "routerbench_mbpp"),
    "gain_any": tuple(file.name for file in OUTCOME_FILES if file.trains),
}
TRUST: Mapping[str, Mapping[str, float]] = {
    "exam": {"gain_exam": 1.0},
    "maths": {"gain_any": 0.5},
    "contest": {"gain_code": 0.5, "gain_any": 0.5},
    "function": {"gain_code": 1.0},
    "trace": {},
    "tool": {"gain_any": 0.3},
    "cloze": {},
    "chat": {"gain_any": 1.0},
    "work": {"hard": 0.01, "routine": -0.01},
}
"""How much each kind's estimate follows the words; the rest is the shape of the text."""

SHAPE_TRUST: Mapping[str, Mapping[str, float]] = {"work": {"pages": -0.05}}
"""Weights of measures that are set by hand, per unit of the measure.

No outcome of engineering work may train the weights. There the gain follows what can be argued: hard work
needs the better model and routine does not; a long report holds more of the answer for either model, or is
beyond both. Published results agree: ranking SWE-bench Verified by length recovers less than chance.
"""

FILE_LEVEL: Mapping[str, float] = {"security": 0.3, "architecture": 0.1}
"""How freely a file's own level explains a label; more helps unseen files and costs known ones."""

SHAPE_PENALTY: Mapping[str, float] = {"contest": 300.0, "function": 300.0, "cloze": 1e6}
"""Small sets and sets whose shape says nothing of the gain lean on it less."""

_SHAPE_PENALTY = 30.0
_WORD_PENALTY = 1.5
_NEAR = 0.2
"""Pairs of models whose mean scores are this close to the judged pair's stand in for it."""

_PER_KIND = 700
_MAX_WEIGHT = 500.0
"""No set weighs more than this many rows when sets are trained together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Examples beside their features and measures, computed once."""

    examples: Sequence[Example]
    table: Table
    shapes: Floats

    def pick(self, rows: Sequence[int]) -> Corpus:
        """Return the examples at the positions in `rows`."""
        return Corpus(
            examples=[self.examples[at] for at in rows],
            table=self.table.pick(rows),
            shapes=self.shapes[list(rows)],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to fit: which labels, calibration per label (slope, offset), and whether to fit the gain."""

    labels: tuple[str, ...] = LABELS
    calibration: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    gains: bool = True


def read_corpus(examples: Sequence[Example]) -> Corpus:
    """Return the corpus of `examples`."""
    return Corpus(
        examples=examples,
        table=build_table([_document(example) for example in examples]),
        shapes=np.array([measures(example.text) for example in examples]),
    )


def _document(example: Example) -> Document:
    words = split_words(as_bytes(example.text[:HEAD_CHARS])) if example.kind == "work" else []
    return Document(
        found={name.decode() for name in features(example.text)},
        words=[word.decode() for word in words],
        source=example.source,
    )


def train(corpus: Corpus, plan: Plan) -> bytes:
    """Return packed weights learnt from the examples whose licence allows it; the same for the same texts."""
    usable = corpus.pick([at for at, e in enumerate(corpus.examples) if may_train(e) and not is_plain(e)])
    rest = corpus.pick([at for at, e in enumerate(corpus.examples) if is_plain(e)]).table
    space = build_space(usable.table, rest, private_words(usable.examples))
    texts = weigh(usable.table.counts[:, space.columns], space.rarity)
    blank = Linear(weights=np.zeros(len(space.names)), bias=0.0)
    lanes = {name: _fit_label(name, usable, texts, space) for name in plan.labels}
    centres, spreads = usable.shapes.mean(axis=0), np.maximum(usable.shapes.std(axis=0), 0.05)
    experts = {kind: _blank_expert(kind, spreads) for kind in KINDS}
    if plan.gains:
        shaped = (usable.shapes - centres) / spreads
        experts = {kind: _fit_expert(expert, kind, usable, shaped) for kind, expert in experts.items()}
        lanes |= {f"kind_{kind}": _fit_kind(kind, usable, texts, space) for kind in KINDS}
        lanes |= {name: _fit_gain(name, usable, texts, (shaped, experts)) for name in GAINS}
    ordered = [lanes.get(name, blank) for name in LANES]
    scales, weights = _quantise(ordered, space)
    read = [_lane(name, scale, lane, plan) for name, scale, lane in zip(LANES, scales, ordered, strict=True)]
    head = Head(
        lanes=tuple(read),
        experts=tuple(experts[kind] for kind in KINDS),
        centres=tuple(map(_short, centres.tolist())),
        spreads=tuple(map(_short, spreads.tolist())),
    )
    return pack(head, space.names, weights)


def typical_gain(examples: Sequence[Example]) -> Floats:
    """Return per example of one file the gain of strong over weak, averaged over pairs like the judged."""
    models = sorted({model for example in examples for model in example.scores})
    table = np.array([[example.scores.get(model, np.nan) for model in models] for example in examples])
    means = np.nanmean(table, axis=0)
    pair = next(file.pair for file in OUTCOME_FILES if file.name == examples[0].file)
    if pair is None:
        low, high = np.quantile(means, (0.25, 0.75))
    else:
        low, high = means[models.index(pair.weak)], means[models.index(pair.strong)]
    middle = (low + high) / 2
    weak = (np.abs(means - low) <= _NEAR) & (means < middle)
    strong = (np.abs(means - high) <= _NEAR) & (means > middle)
    known = ~np.isnan(table)
    filled = np.nan_to_num(table)
    return np.asarray(
        filled[:, strong].sum(axis=1) / np.maximum(known[:, strong].sum(axis=1), 1)
        - filled[:, weak].sum(axis=1) / np.maximum(known[:, weak].sum(axis=1), 1)
    )


def _fit_label(name: str, corpus: Corpus, texts: sp.csr_matrix, space: Space) -> Linear:
    rows = [at for at, example in enumerate(corpus.examples) if name in example.labels]
    truth = np.array([float(corpus.examples[at].labels[name]) for at in rows])
    if len(set(truth.tolist())) < 2:  # noqa: PLR2004
        return Linear(weights=np.zeros(len(space.names)), bias=0.0)
    return fit_logistic(
        texts[rows],
        truth,
        space,
        level=FILE_LEVEL.get(name, 0.0),
        files=[corpus.examples[at].file for at in rows],
    )


def _fit_kind(kind: str, corpus: Corpus, texts: sp.csr_matrix, space: Space) -> Linear:
    taken: Counter[str] = Counter()
    rows = []
    for at in sorted(range(len(corpus.examples)), key=lambda at: corpus.examples[at].fold):
        other = corpus.examples[at].kind
        if taken[other] < _PER_KIND:
            taken[other] += 1
            rows.append(at)
    truth = np.array([float(corpus.examples[at].kind == kind) for at in rows])
    if len(set(truth.tolist())) < 2:  # noqa: PLR2004
        return Linear(weights=np.zeros(len(space.names)), bias=0.0)
    return fit_logistic(texts[rows], truth, space, steps=25)


def _blank_expert(kind: str, spreads: Floats) -> Expert:
    evidence = tuple(TRUST[kind].get(name, 0.0) for name in EVIDENCE)
    by_hand = SHAPE_TRUST.get(kind, {})
    weights = [by_hand.get(name, 0.0) * spread for name, spread in zip(MEASURES, spreads, strict=True)]
    return Expert(mean=0.1, measures=tuple(map(_short, weights)), evidence=evidence)


def _fit_expert(blank: Expert, kind: str, corpus: Corpus, shaped: Floats) -> Expert:
    """Fit mean and measures within each file of a kind, so that no file's level counts as evidence."""
    rows, gain = _gains([file.name for file in OUTCOME_FILES if file.kind == kind and file.trains], corpus)
    if not rows:
        return blank
    means = _file_means(shaped[rows], rows, corpus)
    inner = shaped[rows] - means
    widths = np.maximum(inner.std(axis=0), 0.02)
    left = gain - _file_means(gain, rows, corpus)
    weights = fit_dense_ridge(inner / widths, left, penalty=SHAPE_PENALTY.get(kind, _SHAPE_PENALTY)) / widths
    mean = float(gain.mean() - means.mean(axis=0) @ weights)
    return replace(blank, mean=_short(mean), measures=tuple(map(_short, weights.tolist())))


def _fit_gain(
    name: str, corpus: Corpus, texts: sp.csr_matrix, shape: tuple[Floats, Mapping[str, Expert]]
) -> Linear:
    """Fit the words to what the measures leave over, each file centred and none dominating."""
    rows, gain = _gains(GAIN_FILES[name], corpus)
    if not rows:
        return Linear(weights=np.zeros(texts.shape[1]), bias=0.0)
    shaped, experts = shape
    by_shape = np.array([shaped[at] @ np.array(experts[corpus.examples[at].kind].measures) for at in rows])
    left = gain - by_shape
    left -= _file_means(left, rows, corpus)
    sizes = Counter(corpus.examples[at].file for at in rows)
    weights = np.array([min(1.0, _MAX_WEIGHT / sizes[corpus.examples[at].file]) for at in rows])
    if len(GAIN_FILES[name]) == 2:  # noqa: PLR2004
        weights = np.ones(len(rows))
    return Linear(weights=fit_sparse_ridge(texts[rows], left, weights, penalty=_WORD_PENALTY), bias=0.0)


def _gains(files: Sequence[str], corpus: Corpus) -> tuple[list[int], Floats]:
    rows: list[int] = []
    gains: list[Floats] = []
    for name in files:
        here = [at for at, example in enumerate(corpus.examples) if example.file == name]
        if here:
            rows += here
            gains.append(typical_gain([corpus.examples[at] for at in here]))
    return rows, np.concatenate(gains) if gains else np.zeros(0)


def _file_means(values: Floats, rows: Sequence[int], corpus: Corpus) -> Floats:
    files = np.array([corpus.examples[at].file for at in rows])
    means = np.zeros_like(values)
    for name in sorted(set(files.tolist())):
        means[files == name] = values[files == name].mean(axis=0)
    return means


def _quantise(lanes: Sequence[Linear], space: Space) -> tuple[list[float], bytes]:
    """Return steps per lane and rows of bytes; the last column is the squared rarity of the norm."""
    wide = np.stack([lane.weights * space.rarity for lane in lanes], axis=1)
    scales = np.maximum(np.quantile(np.abs(wide), 0.9998, axis=0), 1e-9) / 127
    steps = np.clip(np.round(wide / scales), -127, 127) + 128
    squares = np.round(NORM_STEPS * space.rarity**2)[:, None]
    return scales.tolist(), np.hstack((steps, squares)).astype(np.uint8).tobytes()


def _lane(name: str, scale: float, lane: Linear, plan: Plan) -> Lane:
    slope, offset = plan.calibration.get(name, (1.0, 0.0))
    return Lane(scale=_short(scale), bias=_short(slope * lane.bias + offset), slope=_short(slope))


def _short(value: float) -> float:
    """Round to seven digits: the last bits differ between machines and mean nothing."""
    return float(f"{value:.7g}")
