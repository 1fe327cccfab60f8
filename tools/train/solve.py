"""Convex fits: weighted logistic regression over tied word weights, and weighted ridge regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.sparse.linalg import lsqr

from tools.train.company import Floats
from tools.train.space import Space

_STRENGTH = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """One weight per feature and a bias."""

    weights: Floats
    bias: float


def fit_logistic(
    texts: sp.csr_matrix,
    truth: Floats,
    space: Space,
    *,
    level: float = 0.0,
    files: Sequence[str] = (),
    steps: int = 60,
) -> Linear:
    """Return the fit of `truth` (0 or 1) in which words that are tied share weight.

    Both classes weigh the same. Equals ridge-penalised logistic regression on the texts beside their
    projections on the space's ties, folded back to one weight per feature. Each of `files` has a level of
    its own that is thrown away, the freer the higher `level`, so words need not explain where a text is from.
    """
    share = truth.mean()
    weights = np.where(truth == 1, 0.5 / max(share, 0.02), 0.5 / max(1 - share, 0.02))
    turned = texts.T.tocsr()
    levels = level * _levels(files, len(truth))
    cuts = np.cumsum([space.rarity.size, *(tie.shape[1] for tie in space.ties), levels.shape[1]])

    def unfold(raw: Floats) -> Floats:
        plain, *tied = np.split(raw, cuts)[: len(space.ties) + 1]
        return np.asarray(sum((tie @ own for tie, own in zip(space.ties, tied, strict=True)), plain))

    def loss(raw: Floats) -> tuple[float, Floats]:
        margin = texts @ unfold(raw) + levels @ raw[cuts[-2] : cuts[-1]] + raw[-1]
        miss = weights * (1 / (1 + np.exp(-margin)) - truth)
        pull = turned @ miss
        slope = np.concatenate((pull, *(tie.T @ pull for tie in space.ties), levels.T @ miss, [miss.sum()]))
        slope[:-1] += raw[:-1] / _STRENGTH
        value = weights @ (np.logaddexp(0, margin) - truth * margin) + raw[:-1] @ raw[:-1] / (2 * _STRENGTH)
        return float(value), slope

    best = minimize(loss, np.zeros(cuts[-1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": steps}).x
    return Linear(weights=unfold(best), bias=float(best[-1]))


def _levels(files: Sequence[str], rows: int) -> Floats:
    """Return rows x files, 1 where the row is from the file."""
    names = sorted(set(files))
    levels = np.zeros((rows, len(names)))
    for row, name in enumerate(files):
        levels[row, names.index(name)] = 1.0
    return levels


def fit_sparse_ridge(rows: sp.csr_matrix, target: Floats, weights: Floats, *, penalty: float) -> Floats:
    """Return the weights of a ridge regression without bias."""
    root = np.sqrt(weights)
    return np.asarray(
        lsqr((sp.diags(root) @ rows).tocsr(), root * target, damp=penalty**0.5, iter_lim=200)[0]
    )


def fit_dense_ridge(rows: Floats, target: Floats, *, penalty: float) -> Floats:
    """Return the weights of a ridge regression without bias over few columns."""
    return np.asarray(np.linalg.solve(rows.T @ rows + penalty * np.eye(rows.shape[1]), rows.T @ target))


def fit_calibration(log_odds: Floats, truth: Floats) -> tuple[float, float]:
    """Return Platt's slope and offset (Platt 1999, with his smoothed targets)."""
    positives = truth.sum()
    high, low = (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2)
    aim = np.where(truth == 1, high, low)

    def loss(raw: Floats) -> tuple[float, Floats]:
        margin = raw[0] * log_odds + raw[1]
        miss = 1 / (1 + np.exp(-margin)) - aim
        return float(np.sum(np.logaddexp(0, margin) - aim * margin)), np.array([miss @ log_odds, miss.sum()])

    slope, offset = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B").x
    return float(max(slope, 0.05)), float(offset)
