"""Judge the detector on texts it has not seen: by folds, and on sources left out whole."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from policies.escalation_triggers.detector import LABELS, Detector
from tools.train.company import Floats
from tools.train.data import LABEL_FILES, OUTCOME_FILES, Pair, is_plain
from tools.train.metrics import apgr, auc, brier, calibration_error, recall_at
from tools.train.model import Corpus, Plan, train
from tools.train.solve import fit_calibration

FOLDS: Final = 5
_RARE: Final = 8
"""A source with fewer examples of a class cannot be judged by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One detector to train without some rows, and the rows it is then judged on."""

    held: tuple[int, ...]
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Scores by detectors that had not seen the row: log-odds per label, and the gain."""

    log_odds: Mapping[str, Floats]
    gain: Floats
    by_source: Mapping[str, Mapping[str, Floats]]
    """Per left-out file and label, the scores of that file's labelled rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures:
    """How well one label is found, pooled and per file, by folds and with the file left out."""

    label: str
    rows: int
    positives: int
    pooled: float
    recall_strict: float
    brier: float
    base_brier: float
    calibration_error: float
    inside: Mapping[str, float]
    left_out: Mapping[str, float]
    left_out_pooled: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFigures:
    """How well the gain ranks one outcome set."""

    name: str
    pair: str
    rows: int
    weak: float
    strong: float
    recovered: float
    noise: float


def judge_unseen(corpus: Corpus, processes: int) -> Unseen:
    """Return the scores of every labelled and outcome row by detectors trained without it."""
    rows = [at for at, example in enumerate(corpus.examples) if not is_plain(example)]
    folds = [tuple(at for at in rows if corpus.examples[at].fold % FOLDS == k) for k in range(FOLDS)]
    jobs = [Job(held=held, plan=Plan()) for held in folds]
    outside = {name: _left_out(corpus, name) for name in LABEL_FILES}
    jobs += [job for job in outside.values() if job is not None]
    _Shared.corpus = corpus
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        results = pool.map(_run, jobs, chunksize=1)
    odds = {label: np.full(len(corpus.examples), np.nan) for label in LABELS}
    gain = np.full(len(corpus.examples), np.nan)
    for held, (values, gains) in zip(folds, results, strict=False):
        gain[list(held)] = gains
        for column, label in enumerate(LABELS):
            odds[label][list(held)] = values[:, column]
    later = iter(results[FOLDS:])
    by_source = {
        name: dict(zip(LABELS, next(later)[0].T, strict=True))
        for name, job in outside.items()
        if job is not None
    }
    return Unseen(log_odds=odds, gain=gain, by_source=by_source)


class _Shared:
    """Carries the corpus into forked workers without copying it."""

    corpus: Corpus


def _run(job: Job) -> tuple[Floats, Floats]:
    corpus = _Shared.corpus
    held = set(job.held)
    kept = corpus.pick([at for at in range(len(corpus.examples)) if at not in held])
    detector = Detector.load(train(kept, job.plan))
    scores = [detector.score(corpus.examples[at].text) for at in job.held]
    chances = np.array([[score.probabilities[label] for label in LABELS] for score in scores])
    return np.log(chances) - np.log1p(-chances), np.array([score.gain for score in scores])


def _left_out(corpus: Corpus, name: str) -> Job | None:
    """Return the job that leaves out a file, if a label there can be learnt elsewhere."""
    held = tuple(at for at, example in enumerate(corpus.examples) if example.file == name)
    labels = tuple(label for label in LABELS if _has_both(corpus, held, label))
    return Job(held=held, plan=Plan(labels=labels, gains=False)) if labels else None


def _has_both(corpus: Corpus, rows: Sequence[int], label: str) -> bool:
    known = [corpus.examples[at].labels[label] for at in rows if label in corpus.examples[at].labels]
    return min(sum(known), len(known) - sum(known)) >= _RARE


def calibrate(corpus: Corpus, unseen: Unseen) -> dict[str, tuple[float, float]]:
    """Return Platt's slope and offset per label, fitted to scores of unseen rows."""
    return {
        label: fit_calibration(unseen.log_odds[label][rows], truth)
        for label in LABELS
        for rows, truth in [_known(corpus, label)]
    }


def label_figures(corpus: Corpus, unseen: Unseen) -> list[LabelFigures]:
    """Return the figures of every label."""
    return [_label_figures(corpus, unseen, label) for label in LABELS]


def pair_figures(corpus: Corpus, unseen: Unseen, *, draws: int = 200) -> list[PairFigures]:
    """Return the figures of every outcome set that has a pair to judge."""
    return [
        _pair_figures(corpus, unseen, (file.name, file.pair), draws)
        for file in OUTCOME_FILES
        if file.pair and any(example.file == file.name for example in corpus.examples)
    ]


def _pair_figures(corpus: Corpus, unseen: Unseen, judged: tuple[str, Pair], draws: int) -> PairFigures:
    name, pair = judged
    rows = [
        at
        for at, example in enumerate(corpus.examples)
        if example.file == name and {pair.weak, pair.strong} <= example.scores.keys()
    ]
    weak = np.array([corpus.examples[at].scores[pair.weak] for at in rows])
    strong = np.array([corpus.examples[at].scores[pair.strong] for at in rows])
    random = np.random.default_rng(0)
    return PairFigures(
        name=name,
        pair=f"{pair.weak} -> {pair.strong}",
        rows=len(rows),
        weak=float(weak.mean()),
        strong=float(strong.mean()),
        recovered=apgr(unseen.gain[rows], weak, strong),
        noise=float(np.std([apgr(random.random(len(rows)), weak, strong) for _ in range(draws)])),
    )


def _known(corpus: Corpus, label: str) -> tuple[list[int], Floats]:
    rows = [at for at, example in enumerate(corpus.examples) if label in example.labels]
    return rows, np.array([float(corpus.examples[at].labels[label]) for at in rows])


def _label_figures(corpus: Corpus, unseen: Unseen, label: str) -> LabelFigures:
    rows, truth = _known(corpus, label)
    odds = unseen.log_odds[label][rows]
    chance = _cross_calibrated(corpus, rows, odds, truth)
    files = np.array([corpus.examples[at].file for at in rows])
    names = [
        name
        for name in LABEL_FILES
        if _has_both(corpus, [at for at in rows if corpus.examples[at].file == name], label)
    ]
    outside = _outside(corpus, unseen, label, names)
    return LabelFigures(
        label=label,
        rows=len(rows),
        positives=int(truth.sum()),
        pooled=auc(odds, truth),
        recall_strict=recall_at(odds, truth, 0.016),
        brier=brier(chance, truth),
        base_brier=brier(np.full(len(truth), truth.mean()), truth),
        calibration_error=calibration_error(chance, truth),
        inside={name: auc(odds[files == name], truth[files == name]) for name in names},
        left_out={name: auc(score, actual) for name, (score, actual) in outside.items()},
        left_out_pooled=auc(*map(np.concatenate, zip(*outside.values(), strict=True)))
        if outside
        else float("nan"),
    )


def _outside(
    corpus: Corpus, unseen: Unseen, label: str, names: Sequence[str]
) -> dict[str, tuple[Floats, Floats]]:
    """Return score and truth per file by detectors that never saw it, where they learnt the label at all."""
    found = {}
    for name in names:
        labels = [example.labels.get(label) for example in corpus.examples if example.file == name]
        kept = [at for at, value in enumerate(labels) if value is not None]
        score = unseen.by_source.get(name, {}).get(label, np.zeros(len(labels)))[kept]
        if np.ptp(score) > 0:
            found[name] = (score, np.array([float(labels[at] or 0) for at in kept]))
    return found


def _cross_calibrated(corpus: Corpus, rows: Sequence[int], odds: Floats, truth: Floats) -> Floats:
    """Return probabilities whose calibration was fitted on the other folds."""
    folds = np.array([corpus.examples[at].fold % FOLDS for at in rows])
    chance = np.zeros(len(rows))
    for k in range(FOLDS):
        slope, offset = fit_calibration(odds[folds != k], truth[folds != k])
        chance[folds == k] = 1 / (1 + np.exp(-(slope * odds[folds == k] + offset)))
    return chance
