from __future__ import annotations

import time
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.escalation_triggers.excerpt import MAX_CHARS, Excerpt
from policies.escalation_triggers.lexicon import MAX_TERMS, LexiconSource, Term, compile_term
from policies.facts import Ask, Features
from policies.verdicts import Signal


def measure(text: str, *terms: str | Term) -> Signal:
    """Return what a lexicon of the given terms measures."""
    source = LexiconSource({"x": [t if isinstance(t, Term) else Term(t) for t in terms]})
    return source.measure(Features(ask=Ask(text=text)))["lexicon.x"]


def seen(text: str, *terms: str | Term) -> list[str]:
    """Return the stretches of the ask that the spans point at."""
    return [text[span.start : span.end] for span in measure(text, *terms).spans]


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("error", "an error here", "error"),
        ("error", "ERROR: no disk", "ERROR"),
        ("error", "terror", None),
        ("error", "errors", None),
        ("error", "error_code", None),
        ("error", "éerror", None),
        ("error", "erroré", None),
        ("error", "terror, then an error", "error"),
        ("sql injection", "an SQL  Injection", "SQL  Injection"),
        ("sql injection", "sql-injection", "sql-injection"),
        ("sql injection", "sql_injection", "sql_injection"),
        ("sql injection", "sql\ninjection", "sql\ninjection"),
        ("sql injection", "sql, injection", None),
        ("vulnerab*", "many vulnerabilities.", "vulnerabilities"),
        ("vulnerab*", "une vulnérabilité vulnerabilité", "vulnerabilité"),
        ("*injection", "sqlinjection!", "sqlinjection"),
        ("micro*service", "microXservice microservices", "microXservice"),
        ("c++", "in C++ please", "C++"),
        ("c++", "c plus plus", None),
        (".env", "the .env file", ".env"),
        ("sécurité", "La Sécurité d'abord", "Sécurité"),
        ("sécurité", "insécurité", None),
        ("безопасность", "Это Безопасность, да", "Безопасность"),
        ("安全", "这个安全问题", "安全"),
        ("jwt", "用JWT认证", "JWT"),
        ("/cve-\\d{4}/", "see CVE-2024", "CVE-2024"),
        ("/err/", "terrors", "err"),
        ("/\\berr\\b/", "terrors", None),
        ("/", "a / b", "/"),
        ("a.b", "axb", None),
    ],
)
def test_terms(term: str, text: str, found: str | None) -> None:
    """Phrases match as whole words in any case, `*` as letters, `/slashes/` as an expression."""
    assert seen(text, term) == ([] if found is None else [found])


@pytest.mark.parametrize(
    "text",
    [
        "this is not a security issue",
        "No security impact",
        "nothing about security",
        "please ignore the security warnings",
        "don't touch security",
        "it isn\u2019t really security",
        "a non-security fix",
        "without any security",
        "skip security and never mind",
    ],
)
def test_negated(text: str) -> None:
    """A negated term does not count."""
    assert measure(text, "security").value == 0


@pytest.mark.parametrize(
    "text",
    [
        "I know the security rules",
        "note: security",
        "No. Security is the point",
        "do not, whatever anybody else may tell you, forget security",
        "not security? Yes: security",
    ],
)
def test_not_negated(text: str) -> None:
    """A negation in another clause, or inside another word, negates nothing."""
    assert measure(text, "security").value == 1


def test_negation_is_not_exhausted() -> None:
    """A run of negated mentions does not hide the one that is meant."""
    assert measure("no security; " * 10 + "now security!", "security").value == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('the title "security first" is wrong', 0.5),
        ("the word `security` is misspelt", 0.5),
        ("\u201csecurity\u201d is misspelt", 0.5),
        ("the \u00absecurity\u00bb page", 0.5),
        ("> security matters\nfix the typo", 0.5),
        ('"a" security "b"', 1.0),
        ('6" security', 1.0),
        ('he said "security', 1.0),
        ('"open\nsecurity"', 1.0),
        ("`a` > security", 1.0),
        ('"security" is misspelt, and security matters', 1.0),
        ("x" * 195 + " > security", 1.0),
        ("x\n" * 120 + "> security", 0.5),
    ],
)
def test_quoted(text: str, value: float) -> None:
    """A term only inside quotation marks, or on a quoted line, counts half."""
    assert measure(text, "security").value == value


def test_sum_of_weights() -> None:
    """Distinct terms add up, a repeated one counts once at its best place."""
    signal = measure('"jwt" jwt jwt tls', Term("jwt", 2.0), Term("tls", 1.5), "saml")

    assert signal.value == 3.5
    assert [(s.label, s.start, s.weight) for s in signal.spans] == [
        ("jwt", 1, 1.0),
        ("jwt", 6, 2.0),
        ("tls", 14, 1.5),
    ]


def test_separate_lexicons() -> None:
    """Each lexicon is measured by itself, and is measured even when nothing is found."""
    source = LexiconSource({"a": [Term("one")], "b": [Term("two")], "c": []})
    signals = source.measure(Features(ask=Ask(text="one")))

    assert {name: signal.value for name, signal in signals.items()} == {
        "lexicon.a": 1.0,
        "lexicon.b": 0.0,
        "lexicon.c": 0.0,
    }
    assert set(source.names()) == set(signals)
    assert source.locate("lexicon.a", Features(ask=Ask(text="one"))) == ()


def test_order_of_terms() -> None:
    """No order of terms changes a value or a span."""
    terms = [Term("one", 0.1), Term("two", 0.2), Term("three", 0.3), Term("on*", 0.7)]
    signals = {measure("one two three", *order) for order in permutations(terms)}

    assert len(signals) == 1


@pytest.mark.parametrize(
    "text",
    [
        "x" * 20_000 + " a jwt",
        "ü" * 20_000 + " ein jwt",
        "jwt " + "z" * 30_000,
        "\U0001f600 jwt \u4e2d",
        "\ud800\udfff jwt \ud800",
        "ẞİ jwt",
        "one\0two jwt",
    ],
)
def test_spans_of_odd_texts(text: str) -> None:
    """Spans hold in the whole text, clipped or not, outside ASCII, and with lone surrogates."""
    assert seen(text, "jwt") == ["jwt"]


@given(
    before=st.text(max_size=60),
    after=st.text(max_size=60),
    pad=st.sampled_from((0, 9_000)),
    char=st.characters(),
)
def test_spans_anywhere(before: str, after: str, pad: int, char: str) -> None:
    """Whatever surrounds a term, its span is the term."""
    text = f"{before}{char * pad} jwt {char * pad}{after}"

    for span in measure(text, Term("jwt", 2.0)).spans:
        assert text[span.start : span.end].lower() == "jwt"


def test_gap_of_clipped_text() -> None:
    """What is left out of a long ask is not read, and no term reaches over the gap."""
    half = MAX_CHARS // 2
    hidden = "x " * half + "jwt" + " x" * half
    torn = "x" * (half - 4) + "sql" + "y" * 100 + " injection" + "z" * (half - 10)

    assert measure(hidden, "jwt").value == 0
    assert Excerpt.of(torn).text.count("sql\n injection") == 1
    assert measure(torn, "sql injection").value == 0


@pytest.mark.parametrize("length", [0, 1, MAX_CHARS, MAX_CHARS + 1, 3 * MAX_CHARS])
def test_excerpt(length: int) -> None:
    """An excerpt is bounded, and its offsets lead back to the same characters."""
    text = "".join(chr(0x4E00 + i % 1000) for i in range(length))
    excerpt = Excerpt.of(text)

    assert len(excerpt.text) == min(length, MAX_CHARS)
    for start in range(0, len(excerpt.text) - 3, 97):
        place = excerpt.original(start, start + 3)
        assert place is None or text[place[0] : place[1]] == excerpt.text[start : start + 3]


@pytest.mark.parametrize(
    "text", ["security " * 1_200_000, "a" * 10_000_000, "no jwt " * 1_500_000, "`" * 10**7]
)
def test_bounded_work(text: str) -> None:
    """Ten megabytes, in one line or repeating a term, take no longer than a page."""
    source = LexiconSource({"x": [Term("security"), Term("jwt"), Term("/(\\w+ ){0,5}b/")]})
    features = Features(ask=Ask(text=text))
    source.measure(features)
    began = time.process_time()
    source.measure(features)

    assert time.process_time() - began < 0.25


@pytest.mark.parametrize("bomb", ["/(a+)+$/", "/(a|aa)+$/", "/(a*)*b$/", "/(.*a){12}$/"])
def test_regex_bombs_are_linear(bomb: str) -> None:
    """What keeps a backtracking engine busy for ever ends at once on 100 KB: the automaton reads it once."""
    pattern = compile_term(Term(bomb))
    began = time.process_time()
    pattern.search("a" * 100_000 + "!")

    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("term", "problem"),
    [
        ("/(?=x)/", "term `/(?=x)/` is not a linear-time pattern"),
        ("/(?<!a)b/", "is not a linear-time pattern"),
        ("/(a)\\1/", "is not a linear-time pattern"),
        ("/(unclosed/", "is not a linear-time pattern"),
        ("/((a{100}){100}){100}/", "is not a linear-time pattern"),
        ("bad \ud800", "is not a linear-time pattern"),
        ("", "matches any text; give it at least one fixed letter"),
        ("   ", "matches any text"),
        ("* *", "matches any text"),
        ("/x*/", "matches any text"),
        ("/\\b/", "matches any text"),
        ("/$|a/", "matches any text"),
    ],
)
def test_refused_terms(term: str, problem: str) -> None:
    """Look-around, back references, explosions and terms that match anything are refused."""
    with pytest.raises(ValueError, match="term `") as error:
        compile_term(Term(term))

    assert problem in str(error.value)


def test_too_many_terms() -> None:
    """A policy keeps to a number of terms, and to the memory their patterns need together."""
    with pytest.raises(ValueError, match="5001 lexicon terms; keep at most 5000"):
        LexiconSource({"x": [Term(f"w{n}") for n in range(MAX_TERMS + 1)]})
    with pytest.raises(ValueError, match="need too much memory together; shorten some"):
        LexiconSource({"x": [Term(f"/w{n}.{{900}}/") for n in range(150)]})


def test_nothing_to_read() -> None:
    """No terms and no text measure as nothing."""
    assert measure("text").value == 0
    assert measure("", "jwt") == Signal(value=0.0)
