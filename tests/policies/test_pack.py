from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from policy_samples import FLEET, LIBRARY, NOW, SMALL_PACK, asking, make_policy

import policies
from policies import decide
from policies.envelope import Envelopes
from policies.facts import Snapshot
from policies.pack import Library, PackError, PackText, load_pack, revision
from policies.policy import Economy, Fallback, Policy

PACKS = Path(policies.__file__).parent / "packs"
FULL = """\
pack: full
description: everything a pack can say
lexicons:
  words:
    - plain
    - {term: "/exp\\\\d+/", weight: 2}
triggers:
  - id: first
    kind: words
    reason: because
    floor: premium
    priority: 7
    locked: true
    when:
      all:
        - {signal: lexicon.words, at_least: 2}
        - not: {signal: request.has_tools, above: 0}
economy:
  enabled: true
  score: request.declared_impact
  threshold: 0.4
  target_share: 0.2
  expected_output_tokens: 9
fallback: {base_to_premium: false, premium_to_base: false, floor_may_fall: true}
sticky_turns: 2
housekeeping_tier: premium
default_tier: premium
"""


SAME = "kind: k, reason: r, when: {signal: lexicon.security, at_least: 1}"


def values(text: str, pack: str = SMALL_PACK) -> dict[str, float]:
    """Return the lexicons' strengths in a text under a pack."""
    signals = decide(asking(text), Snapshot(now=NOW), make_policy(pack)).signals
    return {name: value for name, value in signals.items() if name.startswith("lexicon.")}


def refused(*texts: str) -> PackError:
    """Return why the packs are refused."""
    with pytest.raises(PackError) as error:
        make_policy(*texts)
    return error.value


def fired(policy: Policy, text: str) -> list[str]:
    """Return the triggers a text fires."""
    return [f.trigger for f in decide(asking(text), Snapshot(now=NOW), policy).findings]


def test_everything() -> None:
    """Every setting of a pack reaches the policy."""
    policy = make_policy(FULL)
    trigger = policy.triggers[0]

    assert (trigger.id, trigger.kind, trigger.reason, trigger.layer) == ("first", "words", "because", "full")
    assert (trigger.floor, trigger.priority, trigger.locked) == ("premium", 7, True)
    assert policy.economy == Economy(
        score="request.declared_impact", threshold=0.4, target_share=0.2, expected_output_tokens=9
    )
    assert policy.fallback == Fallback(base_to_premium=False, premium_to_base=False, floor_may_fall=True)
    assert (policy.sticky_turns, policy.housekeeping_tier, policy.default_tier) == (2, "premium", "premium")
    assert fired(policy, "exp12") == ["first"]


@pytest.mark.parametrize(
    ("over", "enabled"),
    [("", ("schema", "refusal")), ("enabled: []", ()), ("enabled: [truncation]", ("truncation",))],
)
def test_answer_checks(over: str, enabled: tuple[str, ...]) -> None:
    """A pack's list of answer checks replaces an earlier one; saying nothing keeps it."""
    under = SMALL_PACK + "answer_checks: {enabled: [schema, refusal]}\n"

    assert make_policy(under, f"pack: over\nanswer_checks: {{{over}}}\n").answer_checks == enabled


@pytest.mark.parametrize("streams", ["withhold", "demanded", "relay"])
def test_checked_streams(streams: str) -> None:
    """A pack says which streams are held back; unsaid, those whose form is demanded are."""
    assert make_policy(SMALL_PACK).checked_streams == "demanded"
    under = SMALL_PACK + f"answer_checks: {{streams: {streams}}}\n"
    assert make_policy(under, "pack: over\n").checked_streams == streams


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("pack: full", "pack: [full", 2, "not valid YAML"),
        ("pack: full\n", "", 1, "`$` needs `pack`; add it"),
        ("triggers:", "trigger:", 7, "`$` has no setting `trigger`; did you mean `triggers`?"),
        ("sticky_turns: 2", "sticky_turns: 2\nsticky_turns: 3", 26, "`$.sticky_turns` is given twice"),
        ("sticky_turns: 2", "sticky_turns: soon", 25, "`$.sticky_turns` must be a whole number, not text"),
        ("sticky_turns: 2", "sticky_turns: -1", 25, "`-1` turns cannot be; give 0 to 1000000"),
        (
            "    - plain",
            "    - no",
            5,
            "`$.lexicons.words[0]` must be text or a mapping, not a boolean; put it in quotes",
        ),
        ("    - plain", "    - /(?=x)/", 5, "term `/(?=x)/` is not a linear-time pattern"),
        ("    - plain", '    - "*"', 5, "term `*` matches any text"),
        ("weight: 2", "wait: 2", 6, "`$.lexicons.words[1]` has no setting `wait`; did you mean `weight`?"),
        ("weight: 2", "weight: -2", 6, "weight `-2.0` is not above 0 and up to 1000; correct it"),
        ("weight: 2", "weight: 0", 6, "weight `0.0` is not above 0"),
        ("weight: 2", "weight: .inf", 6, "weight `inf` is not above 0"),
        ("weight: 2", "weight: .nan", 6, "weight `nan` is not above 0"),
        (
            "id: first",
            "id: die erste",
            8,
            "`$.triggers[0].id` must be text that matches '^[A-Za-z0-9_.-]{1,64}$'",
        ),
        ("pack: full", "pack: full up", 1, "`$.pack` must be text that matches"),
        ("  words:", "  my words:", 3, "a name in `$.lexicons` must be text that matches"),
        (
            "reason: because",
            f"reason: {'x' * 501}",
            10,
            "`$.triggers[0].reason` must be text of length <= 500",
        ),
        (
            "priority: 7",
            "priority: 1000001",
            12,
            "`$.triggers[0].priority` must be a whole number <= 1000000",
        ),
        ("pack: full", "pack: full\n---", 2, "expected a single document in the stream but found another"),
        ("    reason: because\n", "", 8, "trigger `first` needs `kind`, `when` and `reason`; add them"),
        (
            "floor: premium",
            "floor: platinum",
            11,
            "`$.triggers[0].floor`: `platinum` is not one of `base`, `premium`",
        ),
        (
            "lexicon.words",
            "lexicon.wrods",
            14,
            "no signal is called `lexicon.wrods`; did you mean `lexicon.words`?",
        ),
        ("lexicon.words", "detector.security", 14, "no signal is called `detector.security`"),
        (
            "above: 0}",
            "above: 0, below: 1}",
            14,
            "trigger `first`: signal `request.has_tools` needs exactly one of",
        ),
        ("above: 0}", "over: 0}", 17, "has no setting `over`; did you mean `above`?"),
        ("not: {", "nicht: {", 17, "`$.triggers[0].when.all[1]` has no setting `nicht`; did you mean `not`?"),
        (
            "default_tier: premium",
            "answer_checks: {enabled: [schema, trunction]}",
            27,
            "no answer check is called `trunction`; did you mean `truncation`?",
        ),
        (
            "default_tier: premium",
            "answer_checks: {enabled: [x]}",
            27,
            "no answer check is called `x`; choose of empty_or_looping, truncation",
        ),
        ("0.4", "1.4", 21, "`1.4` is outside 0..1; give a share"),
        ("0.4", ".nan", 21, "`nan` is outside 0..1"),
        ("0.2", "-0.2", 22, "`-0.2` is outside 0..1"),
        ("tokens: 9", "tokens: -9", 23, "`-9` tokens cannot be; give 0 to 1000000"),
        (
            "score: request.declared_impact",
            "score: request.impact",
            20,
            "no signal is called `request.impact`; did you",
        ),
        ("score: request.declared_impact", "score: detector.gain", 20, "no signal is called `detector.gain`"),
        ("sticky_turns: 2", "sticky_turns: 99999999999999999999", 25, "turns cannot be; give 0 to 1000000"),
        ("default_tier: premium", "default_tier: best", 27, "`best` is not one of `base`, `premium`"),
    ],
)
def test_errors_name_the_line(old: str, new: str, line: int, problem: str) -> None:
    """Whatever is wrong with a pack, the complaint says where and what to do."""
    assert old in FULL
    error = refused(FULL.replace(old, new, 1))

    assert problem in error.message
    assert (error.path, error.line) == ("pack1.yaml", line)
    assert str(error) == f"pack1.yaml:{line}: {error.message}"


def test_empty_file() -> None:
    """A file that says nothing is told so at its first line."""
    assert str(refused("")) == "pack1.yaml:1: `$` needs `pack`; add it"


def test_error_without_line() -> None:
    """A complaint about nothing in particular names the file."""
    assert str(PackError("p.yaml", None, "no")) == "p.yaml: no"


def test_no_packs() -> None:
    """Without packs nothing is decided but the default."""
    policy = load_pack((), library=LIBRARY, fleet=FLEET)

    assert policy.triggers == ()
    assert decide(asking("anything"), Snapshot(now=NOW), policy).tier == "base"


@pytest.mark.parametrize("bomb", [r"/(a)\1/", "/(?=a)b/", "/a(?!b)/", "/(?<=a)b/", "/(?>a+)b/"])
def test_patterns_that_backtrack(bomb: str) -> None:
    """A pack whose patterns need a backtracking engine is refused where they stand."""
    error = refused(SMALL_PACK, f"pack: p\nlexicons:\n  mine:\n    - fine\n    - '{bomb}'\n")

    assert "is not a linear-time pattern" in error.message
    assert (error.path, error.line) == ("pack2.yaml", 5)


def test_too_many_terms() -> None:
    """The limit on terms holds over all packs together."""
    terms = ", ".join(f"w{n}" for n in range(5_001))

    assert "5003 lexicon terms" in refused(SMALL_PACK.replace("[typo]", f"[{terms}]")).message


def test_too_many_triggers() -> None:
    """The limit on triggers holds over all packs together, and the one too many is named."""
    rows = "\n".join(f"- {{id: t{n}, {SAME}}}" for n in range(999))

    error = refused(SMALL_PACK, f"pack: many\ntriggers:\n{rows}\n")

    assert (error.path, error.line) == ("pack2.yaml", 1001)
    assert error.message == "more than 1000 triggers together; merge some"


def test_order_of_writing() -> None:
    """Neither the order of triggers nor that of terms changes a verdict."""
    head, _, rest = SMALL_PACK.partition("triggers:\n")
    items, _, tail = rest.partition("economy:")
    first, second = items.split("  - id: small_talk")
    swapped = f"{head}triggers:\n  - id: small_talk{second}{first}economy:{tail}".replace(
        "[{term: sql injection, weight: 2}, password*]", "[password*, {term: sql injection, weight: 2}]"
    )
    ask, snapshot = asking("typo in the password form, sql injection"), Snapshot(now=NOW)
    one, two = (decide(ask, snapshot, make_policy(text)) for text in (SMALL_PACK, swapped))

    assert one.policy_revision != two.policy_revision
    assert replace(one, policy_revision="") == replace(two, policy_revision="")


def test_revision() -> None:
    """The revision follows packs, their order, and the envelopes."""
    other = Library(envelopes=Envelopes.compile({"clients": [{"name": "x"}]}), detector=None)
    revisions = {
        revision(["a", "b"], LIBRARY),
        revision(["b", "a"], LIBRARY),
        revision(["ab"], LIBRARY),
        revision(["a", "b"], other),
        revision(["a", "\ud800"], LIBRARY),
    }

    assert len(revisions) == 5
    assert revision(["a", "b"], LIBRARY) == revision(iter(["a", "b"]), LIBRARY)
    assert {len(r) for r in revisions} == {12}


def test_words() -> None:
    """Strings and weighted terms stand side by side in a lexicon."""
    assert values("a password, a typo") == {"lexicon.security": 1.0, "lexicon.routine": 1.0}


def test_same_text_same_policy() -> None:
    """Compiling is deterministic."""
    one, two = make_policy(FULL), make_policy(FULL)

    assert (one.revision, one.triggers) == (two.revision, two.triggers)


def test_shipped_triggers() -> None:
    """The shipped pack declares the six critical triggers, each as a floor."""
    text = (PACKS / "default.yaml").read_text(encoding="utf-8").replace("detector.", "lexicon.")
    text = text.replace("score: lexicon.gain", "score: request.declared_impact")
    for name in ("gain", "multi_file", "hard"):
        text = text.replace("\nlexicons:\n", f"\nlexicons:\n  {name}: []\n")
    pack = PackText("default.yaml", text)
    floors = {t.id for t in load_pack([pack], library=LIBRARY, fleet=FLEET).triggers if t.floor == "premium"}

    assert floors >= {
        "critical_security",
        "architectural_decision",
        "database_schema_change",
        "performance_optimization",
        "multi_file_refactoring",
        "cross_service_integration",
    }
