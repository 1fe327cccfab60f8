"""The feature space: vocabulary, weights by rarity, and what makes two words alike (spelling, company)."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from policies.escalation_triggers.detector import NORM_STEPS
from tools.train.company import Floats, Places, near_words, same_texts

Ints = npt.NDArray[np.int64]

MAX_FEATURES = 20_000
SPELLING_LENGTHS = (3, 4, 5)
SPELLING_SHARE = 0.7
SAME_TEXTS_SHARE = 0.3
NEAR_WORDS_SHARE = 0.5
TITLE_SHARE = 0.5
"""How closely a title word follows what its word is tied to."""
_MIN_LENGTH_SPELT = 3
_LONGEST_FEATURE = 40
_PRIVATE = re.compile(r"@|https?|www|\.com|[0-9]{5}|[^\x00-\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A vocabulary with its rarity weights and what its words share (each vocabulary x dimension)."""

    names: list[str]
    columns: Ints
    rarity: Floats
    ties: tuple[sp.csr_matrix | Floats, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One text to learn from: its features, its words in order (none: they teach no company), its source."""

    found: set[str]
    words: Sequence[str]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Texts x features as ones, with the features' names, and each text's source and words in order."""

    counts: sp.csr_matrix
    names: list[str]
    sources: list[str]
    orders: list[Places]

    def pick(self, rows: Sequence[int]) -> Table:
        """Return the texts at the positions in `rows`."""
        return Table(
            counts=self.counts[list(rows)],
            names=self.names,
            sources=[self.sources[r] for r in rows],
            orders=[self.orders[r] for r in rows],
        )


def build_table(documents: Sequence[Document]) -> Table:
    """Return the table of all features that occur in at least two of `documents`."""
    ids: dict[str, int] = {}
    starts, columns = [0], array("q")
    for document in documents:
        columns.extend(sorted(ids.setdefault(name, len(ids)) for name in sorted(document.found)))
        starts.append(len(columns))
    ones = np.ones(len(columns))
    counts = sp.csr_matrix((ones, np.asarray(columns), starts), shape=(len(documents), len(ids)))
    kept = np.flatnonzero(_seen(counts) > 1)
    names = list(ids)
    places = {names[at]: place for place, at in enumerate(kept)}
    return Table(
        counts=counts[:, kept],
        names=list(places),
        sources=[document.source for document in documents],
        orders=[np.array([places.get(w, -1) for w in d.words], dtype=np.int32) for d in documents],
    )


def build_space(table: Table, rest: Table, private: frozenset[str]) -> Space:
    """Return the space for `table`.

    Args:
        table: the texts to learn from.
        rest: unlabelled texts over the same features, which only say which words go together.
        private: words that must not become features.
    """
    columns = choose_vocabulary(table, rest.counts, private)
    names = [table.names[at] for at in columns]
    counts = table.counts[:, columns]
    steps = np.round(NORM_STEPS * (np.log((1 + counts.shape[0]) / (1 + _seen(counts))) + 1) ** 2)
    rarity = np.sqrt(np.clip(steps, 1, 255) / NORM_STEPS)
    together = sp.vstack((counts, rest.counts[:, columns])).tocsc()
    orders = [*table.orders, *rest.orders]
    ties = (
        SPELLING_SHARE * _spelling(names),
        SAME_TEXTS_SHARE * _company(names, together, rarity),
        NEAR_WORDS_SHARE * _neighbours(names, columns, orders, len(table.names)),
    )
    shares = _title_shares(names)
    return Space(names=names, columns=columns, rarity=rarity, ties=tuple(tie + shares @ tie for tie in ties))


def choose_vocabulary(table: Table, rest: sp.csr_matrix, private: frozenset[str]) -> Ints:
    """Return the columns of the features found in several texts of two sources that name nobody.

    Commonest first, because what is read together should lie together: fewer pages are touched.
    """
    often, elsewhere = _seen(table.counts), _seen(rest)
    kinds = sorted(set(table.sources))
    member = sp.csr_matrix(
        (np.ones(len(table.sources)), ([kinds.index(s) for s in table.sources], range(len(table.sources))))
    )
    spread = _seen((member @ table.counts).tocsr())
    enough = ((often >= 3) & (spread > 1)) | ((often >= 2) & (elsewhere >= 3))  # noqa: PLR2004
    allowed = np.array([_is_public(name, private) for name in table.names])
    kept = np.flatnonzero(enough & allowed)
    return kept[np.argsort(-often[kept], kind="stable")][:MAX_FEATURES]


def _is_public(name: str, private: frozenset[str]) -> bool:
    if len(name) > _LONGEST_FEATURE or _PRIVATE.search(name):
        return False
    return not any(word in private for word in name.lstrip("^").split(" "))


def _seen(counts: sp.csr_matrix) -> Ints:
    return np.bincount(counts.indices, minlength=counts.shape[1])


def weigh(counts: sp.csr_matrix, rarity: Floats) -> sp.csr_matrix:
    """Return the rows weighed by rarity and scaled to length 1."""
    weighed = counts.copy()
    weighed.data = rarity[weighed.indices]
    lengths = np.sqrt(np.maximum(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel(), 1e-9))
    return (sp.diags(1 / lengths) @ weighed).tocsr()


def _spelling(names: Sequence[str]) -> sp.csr_matrix:
    """Return vocabulary x letter groups, so that a rare word learns from words spelt like it."""
    groups = [_letter_groups(name) if _is_word(name) else set() for name in names]
    often = Counter(group for found in groups for group in found)
    index = {group: at for at, group in enumerate(sorted(g for g, n in often.items() if n > 2))}  # noqa: PLR2004
    cells = [
        (row, index[group]) for row, found in enumerate(groups) for group in sorted(found & index.keys())
    ]
    rows, columns = zip(*cells, strict=True) if cells else ((), ())
    counts = sp.csr_matrix((np.ones(len(cells)), (rows, columns)), shape=(len(names), max(len(index), 1)))
    return weigh(counts, np.log((1 + len(names)) / (1 + _seen(counts))) + 1)


def _letter_groups(word: str) -> set[str]:
    fenced = f"<{word}>"
    return {fenced[at : at + size] for size in SPELLING_LENGTHS for at in range(len(fenced) - size + 1)}


def _title_shares(names: Sequence[str]) -> sp.csr_matrix:
    """Return vocabulary x vocabulary: which title word follows which word, and how closely."""
    place = {name: at for at, name in enumerate(names)}
    cells = [
        (at, place[name[1:]])
        for name, at in place.items()
        if name.startswith("^") and _is_word(name[1:]) and name[1:] in place
    ]
    rows, columns = zip(*cells, strict=True) if cells else ((), ())
    shape = (len(names), len(names))
    return sp.csr_matrix((np.full(len(cells), TITLE_SHARE), (rows, columns)), shape=shape)


def _company(names: Sequence[str], counts: sp.csc_matrix, rarity: Floats) -> Floats:
    """Return vocabulary x dimension, so that a rare word learns from words used in the same texts."""
    words = np.array([at for at, name in enumerate(names) if _is_word(name)])
    directions = same_texts(weigh(counts[:, words].tocsr(), rarity[words]))
    full = np.zeros((len(names), directions.shape[1]))
    full[words] = directions
    return full


def _neighbours(names: Sequence[str], columns: Ints, orders: Sequence[Places], width: int) -> Floats:
    """Return vocabulary x dimension, so that a rare word learns from words used in the same place."""
    place = np.full(width + 1, -1, dtype=np.int32)
    words = [at for at, name in enumerate(names) if name.isalpha() and len(name) > 1]
    place[columns[words]] = words
    return near_words([place[order] for order in orders], len(names))


def _is_word(name: str) -> bool:
    return len(name) >= _MIN_LENGTH_SPELT and name.isalpha()
