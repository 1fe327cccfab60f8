"""What words learn from words like them, on texts small enough to reckon by hand."""

import numpy as np

from tools.train.company import near_words
from tools.train.solve import fit_logistic
from tools.train.space import Document, build_space, build_table, weigh

OPENINGS = ("today", "perhaps", "once", "again")
TEXTS = [
    line.format(opening)
    for opening in OPENINGS
    for line in (
        "{} the cat slept near a mat",
        "{} the dog slept near a mat",
        "{} my lamp costs ten coins",
        "{} my chair costs ten coins",
    )
]
"""Every text is one line, so each word stands in the title too."""


def test_neighbours_are_alike() -> None:
    """Words that stand among the same words point the same way, others do not."""
    names = sorted({word for text in TEXTS for word in text.split()})
    orders = [np.array([names.index(word) for word in text.split()], dtype=np.int32) for text in TEXTS]
    rows = dict(zip(names, near_words(orders, len(names)), strict=True))
    assert rows["cat"] @ rows["dog"] > 0.9
    assert rows["cat"] @ rows["chair"] < 0.3


def test_unlabelled_words_learn() -> None:
    """A word that no labelled text holds follows the words it is tied to; so does its title word."""
    words = [text.split() for text in TEXTS]
    table = build_table(
        [
            Document(found={*found, *(f"^{word}" for word in found)}, words=found, source=f"source {at % 2}")
            for at, found in enumerate(words)
        ]
    )
    space = build_space(table, table, frozenset())
    known = [at for at, found in enumerate(words) if {"cat", "lamp"} & set(found)]
    truth = np.array([float("cat" in words[at]) for at in known])
    texts = weigh(table.counts[:, space.columns], space.rarity)[known]
    weights = dict(zip(space.names, fit_logistic(texts, truth, space).weights, strict=True))
    assert weights["dog"] > 0 > weights["chair"]
    assert weights["^dog"] > 0 > weights["^chair"]
