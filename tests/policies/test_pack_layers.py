from __future__ import annotations

import pytest
from policy_samples import FLEET, LIBRARY, NOW, SMALL_PACK, asking, make_policy

from policies import decide
from policies.facts import Snapshot
from policies.pack import PackError, PackText, load_pack
from policies.policy import Policy


def refused(*texts: str) -> PackError:
    """Return why the packs are refused."""
    with pytest.raises(PackError) as error:
        make_policy(*texts)
    return error.value


def fired(policy: Policy, text: str) -> list[str]:
    """Return the triggers a text fires."""
    return [f.trigger for f in decide(asking(text), Snapshot(now=NOW), policy).findings]


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
