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
        ("sticky_turns: 2", "sticky_turns: soon", 25, "`$.sticky_turns`: expected `int | null`, got `str`"),
        ("sticky_turns: 2", "sticky_turns: -1", 25, "`-1` turns cannot be; give 0 or more"),
        (
            "    - plain",
            "    - no",
            5,
            "`$.lexicons.words[0]`: expected `str | object`, got `bool`; put it in quotes",
        ),
        ("    - plain", "    - /(?=x)/", 5, "term `/(?=x)/` is not a linear-time pattern"),
        ("    - plain", '    - "*"', 5, "term `*` matches any text"),
        ("weight: 2", "wait: 2", 6, "`$.lexicons.words[1]` has no setting `wait`; did you mean `weight`?"),
        ("weight: 2", "weight: -2", 6, "weight `-2.0` is not above 0 and up to 1000; correct it"),
        ("weight: 2", "weight: 0", 6, "weight `0.0` is not above 0"),
        ("weight: 2", "weight: .inf", 6, "weight `inf` is not above 0"),
        ("weight: 2", "weight: .nan", 6, "weight `nan` is not above 0"),
        ("id: first", "id: die erste", 8, "`$.triggers[0].id`: expected `str` matching regex"),
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
        ("tokens: 9", "tokens: -9", 23, "`-9` tokens cannot be; give 0 or more"),
        (
            "score: request.declared_impact",
            "score: request.impact",
            20,
            "no signal is called `request.impact`; did you",
        ),
        ("score: request.declared_impact", "score: detector.gain", 20, "no signal is called `detector.gain`"),
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


def test_error_without_line() -> None:
    """A complaint about nothing in particular names the file."""
    assert str(PackError("p.yaml", None, "no")) == "p.yaml: no"


def test_no_packs() -> None:
    """Without packs nothing is decided but the default."""
    policy = load_pack((), library=LIBRARY, fleet=FLEET)

    assert policy.triggers == ()
    assert decide(asking("anything"), Snapshot(now=NOW), policy).tier == "base"


def test_later_pack_overrides() -> None:
    """A later pack's trigger replaces an earlier one's, and what it leaves out stays."""
    later = """
pack: later
lexicons: {security: [vault]}
triggers:
  - {id: critical_security, kind: mild, reason: r, when: {signal: lexicon.security, at_least: 3}}
  - {id: extra, kind: k, reason: r, priority: 200, when: {signal: request.has_tools, below: 1}}
economy: {threshold: 0.9}
"""
    policy = make_policy(SMALL_PACK, later)

    assert [(t.id, t.layer, t.floor) for t in policy.triggers] == [
        ("extra", "later", None),
        ("critical_security", "later", None),
        ("small_talk", "small", None),
    ]
    assert fired(policy, "the vault password, sql injection") == ["extra", "critical_security"]
    assert (policy.economy.score, policy.economy.threshold) == ("request.declared_impact", 0.9)
    assert policy.sticky_turns == 3


def test_disabled() -> None:
    """A later pack removes a trigger by its id alone."""
    policy = make_policy(SMALL_PACK, "pack: p\ntriggers: [{id: small_talk, disabled: true}]")

    assert [t.id for t in policy.triggers] == ["critical_security"]


@pytest.mark.parametrize(
    ("later", "problem"),
    [
        ("{id: small_tlak, disabled: true}", "no trigger is called `small_tlak`; did you mean `small_talk`?"),
        ("{id: qqq, disabled: true}", "no trigger is called `qqq`; name one of an earlier pack"),
        (
            "{id: small_talk, disabled: true}\n- {id: small_talk, disabled: true}",
            "`small_talk` is given twice",
        ),
    ],
)
def test_disabled_in_vain(later: str, problem: str) -> None:
    """Removing what is not there, or twice, is a mistake."""
    error = refused(SMALL_PACK, f"pack: p\ntriggers:\n- {later}")

    assert problem in error.message
    assert error.path == "pack2.yaml"


LOCKED = SMALL_PACK.replace("priority: 100", "priority: 100\n    locked: true")
SAME = "kind: k, reason: r, when: {signal: lexicon.security, at_least: 1}"


@pytest.mark.parametrize(
    "later",
    [
        "disabled: true",
        f"floor: base, {SAME}",
        SAME,
        "floor: premium, kind: k, reason: r, when: {signal: lexicon.security, at_least: 99}",
    ],
)
def test_locked(later: str) -> None:
    """A locked trigger is neither removed, nor weakened, nor tested otherwise by a later pack."""
    error = refused(LOCKED, f"pack: team\ntriggers:\n  - {{id: critical_security, {later}}}")

    assert error.message == "trigger `critical_security` is locked by pack `small`; give yours another id"
    assert (error.path, error.line) == ("pack2.yaml", 3)


@pytest.mark.parametrize("bomb", [r"/(a)\1/", "/(?=a)b/", "/a(?!b)/", "/(?<=a)b/", "/(?>a+)b/"])
def test_patterns_that_backtrack(bomb: str) -> None:
    """A pack whose patterns need a backtracking engine is refused where they stand."""
    error = refused(SMALL_PACK, f"pack: p\nlexicons:\n  mine:\n    - fine\n    - '{bomb}'\n")

    assert "is not a linear-time pattern" in error.message
    assert (error.path, error.line) == ("pack2.yaml", 5)


def test_lock_lasts() -> None:
    """A pack that repeats a locked trigger without the lock does not open it for the next one."""
    repeat = f"pack: two\ntriggers: [{{id: critical_security, floor: premium, priority: 5, {SAME}}}]"
    policy = make_policy(LOCKED, repeat)

    assert (policy.triggers[0].layer, policy.triggers[0].priority, policy.triggers[0].locked) == (
        "two",
        5,
        True,
    )
    assert "locked by pack `two`" in refused(LOCKED, repeat, repeat.replace("floor: premium, ", "")).message


def test_lexicons_only_grow() -> None:
    """A later pack adds terms and weight; it cannot take any away from a trigger of another."""
    later = (
        "pack: p\nlexicons: {security: [{term: sql injection, weight: 0.1}, {term: 'password*', weight: 5}]}"
    )
    signals = decide(
        asking("sql injection password"), Snapshot(now=NOW), make_policy(SMALL_PACK, later)
    ).signals

    assert signals["lexicon.security"] == 7.0


def test_blame() -> None:
    """The pack that said it is blamed, not the last one read."""
    wrong = SMALL_PACK.replace("score: request.declared_impact", "score: request.gain")
    error = refused(wrong, "pack: innocent\neconomy: {threshold: 0.5}")

    assert (error.path, error.line) == ("pack1.yaml", 16)
    assert refused("pack: none").message == (
        "no signal is called `detector.gain`; set economy.enabled to false"
    )


def test_too_many_terms() -> None:
    """The limit on terms holds over all packs together."""
    terms = ", ".join(f"w{n}" for n in range(5_001))

    assert "5003 lexicon terms" in refused(SMALL_PACK.replace("[typo]", f"[{terms}]")).message


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


def test_locked_setting() -> None:
    """A setting that a pack locks may be repeated, not changed; the error names the line and who locked it."""
    floor = "pack: org\nfallback: {floor_may_fall: false}\nlocks: [fallback.floor_may_fall]\neconomy: {enabled: false}"

    same = make_policy(floor, "pack: t\nfallback: {floor_may_fall: false}")
    with pytest.raises(PackError, match=r"`fallback\.floor_may_fall` is locked by pack `org`") as caught:
        make_policy(floor, "pack: t\nfallback:\n  floor_may_fall: true")

    assert not same.fallback.floor_may_fall
    assert caught.value.line == 3


def test_lock_of_nothing() -> None:
    """A lock names a setting there is."""
    with pytest.raises(PackError, match="did you mean `sticky_turns`"):
        make_policy("pack: t\nlocks: [sticky_turn]")


def test_last_word() -> None:
    """The decision names the layer that had the last word."""
    org = PackText("org.yaml", "pack: org\neconomy: {enabled: false}\ndefault_tier: premium")
    team = PackText("team.yaml", "pack: ours\ndefault_tier: base", "team")
    policy = load_pack([org, team], library=LIBRARY, fleet=FLEET)

    assert decide(asking("hello"), Snapshot(now=NOW), policy).decided_by == "team/ours"
