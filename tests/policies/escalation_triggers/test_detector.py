"""The learnt detector keeps its contracts on any input and ranks plain cases as a reader would."""

import math
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from policies.escalation_triggers import detector as module
from policies.escalation_triggers.detector import (
    EVIDENCE,
    KINDS,
    LABELS,
    LANES,
    NORM_STEPS,
    Detector,
    Expert,
    Head,
    Lane,
    features,
    measures,
    pack,
)
from policies.escalation_triggers.detector_text import (
    HEAD_CHARS,
    MEASURES,
    TAIL_CHARS,
    as_bytes,
    first_place,
    pieces_of,
    reading,
    split_words,
)

BLOB = (Path(module.__file__).parents[1] / "models" / "detector.bin").read_bytes()
SHIPPED = Detector.load(BLOB)

HOSTILE = {
    "empty": "",
    "blank": " \n\t ",
    "nuls": "\0" * 5000,
    "endless line": "a" * 1_000_000,
    "endless words": "select from where " * 600_000,
    "marks": "{[(<" * 100_000,
    "bidi": "\u202efix\u2066 the \u200b login\u2069",
    "lone surrogates": "\ud800 fix \udfff login",
    "no spaces, many scripts": "修复登录页面的安全漏洞" * 9000,
    "cues": "Answer:\n" * 100_000,
}

PAIRS = [
    ("security", "Prevent SQL injection in the login form", "Fix a typo in the README"),
    (
        "security",
        "The session token is sent without encryption, an attacker can steal it",
        "Rename the button",
    ),
    ("security", "Escape user input to stop cross-site scripting (XSS)", "Add a blue icon to the menu"),
    ("performance", "Search is slow: cache the results and cut memory use", "Translate the settings page"),
    ("performance", "Optimize the loop, it takes 40 seconds and burns CPU", "Update the copyright year"),
    ("database", "Add a migration with a new column and an index on the orders table", "Change the logo"),
    ("database", "The SQL query joins the wrong table", "Fix the tooltip colour"),
    ("architecture", "Proposal: split the monolith into services behind an extension API", "Fix typo"),
    ("refactor", "Refactor: extract the duplicated parsing code into one class", "Crash when opening a file"),
    ("refactor", "Clean up and simplify the session handling code", "Add support for French"),
    ("routine", "Fix typo in docs", "Deadlock in the scheduler when two nodes fail at once"),
    ("routine", "Update the README with the new link", "Redesign the storage engine for concurrent writers"),
    ("hard", "Design a replication protocol that survives a network partition", "Bump version to 2.1.0"),
    ("hard", "Fix the privilege escalation in the permission check of the API", "Fix typo in comment"),
]


EXPERT = Expert(mean=0.25, measures=(0.0,) * len(MEASURES), evidence=(0.0,) * len(EVIDENCE))
HEAD = Head(
    lanes=(Lane(scale=0.1, bias=0.0, slope=1.0),) * len(LANES),
    experts=(EXPERT,) * len(KINDS),
    centres=(0.0,) * len(MEASURES),
    spreads=(1.0,) * len(MEASURES),
)


def tiny(words: dict[str, dict[str, int]]) -> Detector:
    """Return a detector that knows `words`, each with steps per lane, one step being 1/10."""
    rows = b"".join(
        bytes([128 + steps.get(lane, 0) for lane in LANES] + [NORM_STEPS]) for steps in words.values()
    )
    return Detector.load(pack(HEAD, list(words), rows))


@pytest.mark.parametrize(("label", "more", "less"), PAIRS)
def test_clear_cases_rank_right(label: str, more: str, less: str) -> None:
    """A reader would not hesitate over these pairs."""
    assert SHIPPED.score(more).probabilities[label] > SHIPPED.score(less).probabilities[label]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_scores(name: str) -> None:
    """Any text gives finite numbers in 0..1."""
    scores = SHIPPED.score(HOSTILE[name])
    assert all(
        0 <= value <= 1 for value in (*scores.probabilities.values(), scores.gain, scores.known_fraction)
    )


@given(st.text(st.characters(), max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_explains(text: str) -> None:
    """Every explanation points inside the text and never overlaps itself."""
    spans = sorted((found.start, found.end) for found in SHIPPED.explain(text, "security"))
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


@pytest.mark.parametrize("name", HOSTILE)
def test_work_is_bounded(name: str) -> None:
    """No more than the head and the tail is read, however long the text."""
    ranges = reading(HOSTILE[name])
    assert sum(end - start for start, end in ranges) <= HEAD_CHARS + TAIL_CHARS
    assert len(features(HOSTILE[name])) < 3 * (HEAD_CHARS + TAIL_CHARS)


def test_long_text_keeps_both_ends() -> None:
    """A question after a long log is still read."""
    found = features("security first" + " x" * 50_000 + " migration last")
    assert {b"security", b"migration"} <= found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("getUserName snake_case HTTPServer", ["get", "user", "name", "snake", "case", "httpserver"]),
        ("It\u2019s \u201cquoted\u201d caf\u00e9 v2.1", ["it", "s", "quoted", "caf", "v2", "1"]),
        ("aBcD aB Ab", ["a", "bc", "d", "a", "b", "ab"]),
        ("\ud800 \0 \u4fee", []),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    """Words are cut at marks, at what is not ASCII, and where a capital follows a small letter."""
    assert [word.decode() for word in split_words(as_bytes(text))] == words


def test_title_features() -> None:
    """Words and marks of the first line count once more by themselves."""
    found = features("Fix(api): leak\nsee log")
    assert {b"^fix", b"^(", b"^:", b"^ fix", b"^ fix api", b"log"} <= found
    assert b"^log" not in found


@given(st.text(alphabet="abXY09 _.\u00e9\n", max_size=60))
@settings(max_examples=200, deadline=None)
def test_words_have_places(text: str) -> None:
    """Every word that is read is found again, where it stands."""
    raw = as_bytes(text)
    for word in set(split_words(raw)):
        place = first_place(pieces_of(text), word)
        assert place is not None
        assert raw[place[0] : place[1]].lower() == word


def test_examples_are_skipped() -> None:
    """Of a prompt with worked examples only the last question is read."""
    text = "Is fire hot?\nAnswer:\nyes\n\nIs snow cold?\nAnswer:"
    [(start, end)] = reading(text)
    assert "fire" not in text[start:end]
    assert "snow" in text[start:end]


def test_scores_are_whole() -> None:
    """Every label has a probability; the mapping is read-only."""
    scores = SHIPPED.score("hello")
    assert tuple(scores.probabilities) == LABELS
    with pytest.raises(TypeError):
        scores.probabilities["security"] = 1.0  # type: ignore[index]


def test_lanes_do_not_mix() -> None:
    """A word moves only the lanes it has weight in, by its steps over the root of the known words' norm."""
    detector = tiny({"leak": {"security": 20}, "the": {}})
    scores = detector.score("the leak")
    assert scores.probabilities["performance"] == pytest.approx(0.5)
    assert scores.probabilities["security"] == pytest.approx(1 / (1 + math.exp(-2 / math.sqrt(2))))


def test_negative_lanes_do_not_borrow() -> None:
    """Strong evidence against one label leaves its neighbours alone."""
    detector = tiny({f"w{letter}": {"security": -127, "hard": -128} for letter in "abcdefgh"})
    scores = detector.score(" ".join(f"w{letter}" for letter in "abcdefgh"))
    assert scores.probabilities["performance"] == pytest.approx(0.5)
    assert scores.probabilities["security"] < 0.01


def test_many_words_add_up() -> None:
    """However many known words a text has, no lane runs over into the next."""
    words = [f"w{n}" for n in range(600)]
    detector = tiny({word: {"security": 127, "performance": -128} for word in words})
    scores, one = detector.score(" ".join(words)), detector.score("w1")

    assert scores.known_fraction == pytest.approx(600 / len(features(" ".join(words))))
    assert scores.probabilities["database"] == pytest.approx(0.5)
    assert scores.probabilities["performance"] < one.probabilities["performance"]


def test_known_fraction_counts() -> None:
    """Unknown words lower the share of known features, known ones raise it."""
    detector = tiny({"leak": {}})
    assert detector.score("zzz").known_fraction == 0
    assert detector.score("leak").known_fraction == pytest.approx(1 / len(features("leak")))


def test_mean_is_the_gain() -> None:
    """With no evidence the gain is the experts' mean."""
    assert tiny({"leak": {}}).score("leak").gain == pytest.approx(0.25, abs=0.01)


def test_explanation_adds_up() -> None:
    """The contributions of a short text sum to its log-odds."""
    detector = tiny({"leak": {"security": 20}, "^leak": {"security": 5}, "fix": {"security": -3}})
    chance = detector.score("fix leak").probabilities["security"]
    parts = detector.explain("fix leak", "security")
    assert sum(part.weight for part in parts) == pytest.approx(math.log(chance / (1 - chance)))
    assert [("fix leak"[part.start : part.end], part.weight > 0) for part in parts] == [
        ("leak", True),
        ("fix", False),
    ]


def test_explanation_points_at_words() -> None:
    """The strongest stretch of a clear ask is the word a reader would name."""
    text = "Please look at the form:\nit is open to SQL injection."
    best = SHIPPED.explain(text, "security", most=1)[0]
    assert "injection" in text[best.start : best.end]
    assert best.weight > 0


def test_explanation_in_the_tail() -> None:
    """Offsets count in the whole text, also past the part that is not read."""
    text = "x " * 40_000 + "vulnerability"
    spans = {text[found.start : found.end] for found in SHIPPED.explain(text, "security")}
    assert "vulnerability" in spans


@pytest.mark.parametrize("most", [0, 1, 3])
def test_explanation_is_short(most: int) -> None:
    """No more stretches are given than asked for."""
    assert len(SHIPPED.explain("Prevent SQL injection in the login form", "security", most=most)) == most


def test_unknown_label_is_refused() -> None:
    """Asking to explain a label that is not there names those that are."""
    with pytest.raises(KeyError, match="security"):
        SHIPPED.explain("text", "speed")


@pytest.mark.parametrize("at", [0, 20, 60, len(BLOB) // 2, len(BLOB) - 1])
def test_altered_file_is_refused(at: int) -> None:
    """One changed byte anywhere is found."""
    damaged = bytearray(BLOB)
    damaged[at] ^= 1
    with pytest.raises(ValueError, match="detector"):
        Detector.load(bytes(damaged))


@pytest.mark.parametrize("blob", [b"", b"detector 2\n", BLOB[:1000], BLOB[:-1], b"PK" + BLOB])
def test_cut_file_is_refused(blob: bytes) -> None:
    """A file cut short or of another kind gives a clear error."""
    with pytest.raises(ValueError, match="detector"):
        Detector.load(blob)


def test_missing_rows_are_refused() -> None:
    """A file whose weights do not match its vocabulary is refused."""
    with pytest.raises(ValueError, match="0 bytes for 1 features: rebuild"):
        Detector.load(pack(HEAD, ["a"], b""))


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (replace(HEAD, lanes=HEAD.lanes[1:]), "lack a lane"),
        (replace(HEAD, experts=HEAD.experts[1:]), "lack a lane or an expert"),
        (replace(HEAD, centres=HEAD.centres[1:]), "other measures"),
        (replace(HEAD, spreads=(*HEAD.spreads, 1.0)), "other measures"),
        (replace(HEAD, experts=(replace(EXPERT, measures=()),) * len(KINDS)), "other measures"),
        (replace(HEAD, experts=(replace(EXPERT, evidence=(0.0,)),) * len(KINDS)), "other evidence"),
    ],
)
def test_other_head_is_refused(head: Head, problem: str) -> None:
    """A head trained for other code is refused rather than read in part."""
    with pytest.raises(ValueError, match=problem):
        Detector.load(pack(head, ["a"], bytes([128] * len(LANES) + [NORM_STEPS])))


def test_same_text_same_scores() -> None:
    """Loading and scoring again gives the same numbers and the same revision."""
    again = Detector.load(BLOB)
    assert again.revision == SHIPPED.revision
    assert again.score("Fix the race in the cache") == SHIPPED.score("Fix the race in the cache")


def test_revision_follows_weights() -> None:
    """Other weights have another revision."""
    assert tiny({"leak": {"security": 1}}).revision != tiny({"leak": {"security": 2}}).revision


def test_shipped_file_is_small() -> None:
    """The weights stay small enough to live in the repository and in memory."""
    assert len(BLOB) < 1_500_000
    weights = SHIPPED._weights
    assert sum(sys.getsizeof(name) + sys.getsizeof(row) for name, row in weights.items()) < 6 * 2**20


@pytest.mark.parametrize(
    "text", ["a" * 10_000_000, "slow query " * 900_000, "\n" * 10_000_000, "\u4fee" * 5_000_000]
)
def test_ten_megabytes_are_bounded(text: str) -> None:
    """Ten megabytes take no longer than a page, whatever they are made of."""
    began = time.process_time()
    SHIPPED.score(text)
    SHIPPED.explain(text, "performance")
    assert time.process_time() - began < 0.25


def test_every_measure_has_a_name() -> None:
    """The shape of a text has as many numbers as names, finite ones for any text."""
    assert all(len(measures(text)) == len(MEASURES) for text in HOSTILE.values())
    assert all(map(math.isfinite, (value for text in HOSTILE.values() for value in measures(text))))


def test_training_serves_the_same() -> None:
    """What is learnt from a made-up corpus is what the loaded file says."""
    pytest.importorskip("scipy")
    from tools.train.data import Example
    from tools.train.model import Plan, read_corpus, train

    bad, fine = (
        ("leaked password in token", "attacker steals password"),
        ("blue button label", "page title label"),
    )
    texts = [(text, int(text in bad), source) for text in bad + fine for source in ("one", "two", "three")]
    examples = [
        Example(
            text=f"{text} {source}",
            file="made_up",
            source=source,
            labels={"security": y},
            kind="work",
            scores={},
        )
        for text, y, source in texts
    ]
    blob = train(read_corpus(examples), Plan(gains=False))
    detector = Detector.load(blob)
    assert detector.score("password leaked").probabilities["security"] > 0.55
    assert detector.score("button title").probabilities["security"] < 0.45
    assert train(read_corpus(examples), Plan(gains=False)) == blob
