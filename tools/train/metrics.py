"""Measures of ranking, recovered gain and calibration."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.stats import rankdata

from tools.train.company import Floats

_BINS: Final = 10


def auc(score: Floats, truth: Floats) -> float:
    """Return the area under the ROC curve; ties count half."""
    positives = truth.sum()
    negatives = len(truth) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(score)[truth == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def recall_at(score: Floats, truth: Floats, false_rate: float) -> float:
    """Return the share of positives found when `false_rate` of the negatives are flagged."""
    return float((score[truth == 1] > np.quantile(score[truth == 0], 1 - false_rate)).mean())


def apgr(score: Floats, weak: Floats, strong: Floats) -> float:
    """Return the average performance gap recovered over all shares of strong calls (arXiv 2406.18665)."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, values=True))
    gained = np.append(0.0, np.cumsum((strong - weak)[order])[ends]) / len(score)
    share = np.append(0.0, (ends + 1) / len(score))
    return float(np.trapezoid(gained / (strong.mean() - weak.mean()), share))


def brier(probability: Floats, truth: Floats) -> float:
    """Return the mean squared error of `probability`."""
    return float(np.mean((probability - truth) ** 2))


def calibration_error(probability: Floats, truth: Floats) -> float:
    """Return the mean gap of forecast and frequency over ten bins of equal size, weighted by size."""
    bins = np.array_split(np.argsort(probability, kind="stable"), _BINS)
    gaps = [abs(probability[b].mean() - truth[b].mean()) * len(b) for b in bins if len(b)]
    return float(sum(gaps) / len(truth))
