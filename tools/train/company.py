"""Which words keep the same company: in the same texts, and within a few words of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int32]

TEXT_DIMENSIONS: Final = 150
NEAR_DIMENSIONS: Final = 200
_REACH: Final = 5
_LEAST_PAIRS: Final = 0.4
"""Words met once, more than two words apart, say nothing of each other."""
_SMOOTHING: Final = 0.75
_SPARE_DIRECTIONS: Final = 10
_POWER_ROUNDS: Final = 2


def same_texts(counts: sp.csr_matrix) -> Floats:
    """Return a direction of length 1 per column of `counts` (texts x words, weighed)."""
    return _of_length_one(_main_directions(counts, TEXT_DIMENSIONS))


def near_words(orders: Sequence[Places], size: int) -> Floats:
    """Return a direction of length 1 per word, alike for words that stand among the same words.

    Positive pointwise mutual information of words within five words, halved by rank (Levy & Goldberg 2014).

    Args:
        orders: the words of each text in order, as numbers below `size`; negative for what is no word.
        size: how many words there are.
    """
    surprise = _surprise(_meetings(orders, size))
    found = np.asarray(surprise @ _main_directions(surprise, NEAR_DIMENSIONS))
    found /= np.sqrt(np.maximum(np.linalg.norm(found, axis=0), 1e-9))
    known = np.linalg.norm(found, axis=1) > 0
    found[known] -= found[known].mean(axis=0)
    return _of_length_one(found)


def _meetings(orders: Sequence[Places], size: int) -> sp.csr_matrix:
    """Return how often two words meet within reach, nearer ones counting more; the same both ways."""
    gap = np.full(_REACH, -1, dtype=np.int32)
    line = np.concatenate([part for order in orders for part in (order, gap)] or [gap])
    met = sp.csr_matrix((size, size))
    for step in range(1, _REACH + 1):
        first, second = line[:-step], line[step:]
        both = (first >= 0) & (second >= 0)
        cells = np.full(int(both.sum()), 1 / step, dtype=np.float32)
        met = met + sp.csr_matrix((cells, (first[both], second[both])), shape=(size, size))
    return (met + met.T).tocsr()


def _surprise(met: sp.csr_matrix) -> sp.csr_matrix:
    """Return by how much more often than chance (log) two words meet, where it is more often."""
    often = np.maximum(np.asarray(met.sum(axis=1)).ravel(), 1e-9)
    chance = often**_SMOOTHING / (often**_SMOOTHING).sum()
    cells = met.tocoo()
    excess = np.log(cells.data / (often[cells.row] * chance[cells.col]))
    kept = (excess > 0) & (cells.data >= _LEAST_PAIRS)
    return sp.csr_matrix((excess[kept], (cells.row[kept], cells.col[kept])), shape=met.shape)


def _of_length_one(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


def _main_directions(rows: sp.csr_matrix, most: int) -> Floats:
    """Return columns x size: truncated SVD from a fixed random start (Halko et al. 2011, algorithm 4.4)."""
    size = min(most, min(rows.shape) - 1)
    narrow = rows.astype(np.float32)
    turned = narrow.T.tocsr()
    random = np.random.default_rng(0)
    start = random.standard_normal((rows.shape[1], size + _SPARE_DIRECTIONS)).astype(np.float32)
    span = np.linalg.qr(narrow @ start)[0]
    for _ in range(_POWER_ROUNDS):
        span = np.linalg.qr(narrow @ np.linalg.qr(turned @ span)[0])[0]
    right = np.linalg.svd((turned @ span).T, full_matrices=False)[2]
    return np.asarray(right[:size].T, dtype=np.float64)
