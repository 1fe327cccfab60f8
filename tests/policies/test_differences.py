from __future__ import annotations

import pytest
from policy_samples import SMALL_PACK, make_policy

from policies.differences import differences
from policies.lint import warnings
from policies.near_misses import near_misses
from policies.pack import PackText

OVER = """\
pack: over
triggers:
  - {id: critical_security, kind: security, reason: r, floor: premium, when: {signal: lexicon.security, at_least: 2}}
  - {id: extra, kind: k, reason: r, floor: premium, when: {not: {signal: request.has_tools, above: 0}}}
  - {id: small_talk, disabled: true}
economy: {threshold: 0.5}
sticky_turns: 0
data_classes: [{name: secret, found: [token], providers: []}]
"""


def test_differences_in_words() -> None:
    """Triggers, bounds, settings and classes that differ are told one by one; equal policies tell nothing."""
    assert differences(make_policy(SMALL_PACK), make_policy(SMALL_PACK, OVER)) == (
        "trigger critical_security: reason is now: r",
        "trigger critical_security: priority 100 -> 0",
        "trigger critical_security: lexicon.security >= 1 -> 2",
        "trigger extra is new (k, demands premium): not (request.has_tools > 0)",
        "trigger small_talk is gone",
        "economy.threshold 0.6 -> 0.5",
        "sticky_turns 3 -> 0",
        "data class secret is new: nobody for token",
    )
    assert differences(make_policy(), make_policy()) == ()


WORDS = """\
pack: words
lexicons:
  security: [{term: sql injection, weight: 3}, vault]
  mine: [{term: "a*b", weight: 0.5}]
triggers: [{id: mine, kind: k, reason: r, when: {signal: lexicon.mine, at_least: 1}}]
"""


def test_terms_by_name() -> None:
    """Terms that came, went or weigh otherwise are named, whole lexicons too."""
    small, words = make_policy(SMALL_PACK), make_policy(SMALL_PACK, WORDS)

    assert differences(small, words)[1:] == (
        "lexicon.mine is new: `a*b` (0.5)",
        "lexicon.security: added `vault`",
        "lexicon.security: weighs otherwise: `sql injection` 2 -> 3",
    )
    assert differences(words, small)[1:] == (
        "lexicon.mine is gone",
        "lexicon.security: removed `vault`",
        "lexicon.security: weighs otherwise: `sql injection` 3 -> 2",
    )


def test_many_terms_are_counted() -> None:
    """Of a long list the first are told and the rest is counted."""
    many = ", ".join(f"w{n:03}" for n in range(60))

    (line,) = differences(
        make_policy(SMALL_PACK), make_policy(SMALL_PACK, f"pack: m\nlexicons: {{routine: [{many}]}}")
    )

    assert line.startswith("lexicon.routine: added `w000`, `w001`")
    assert line.endswith("`w019` and 40 more")


@pytest.mark.parametrize(
    ("section", "lines"),
    [
        ("validation: {combine: {quality: veto}}", ["validation.combine.quality advisory -> veto"]),
        (
            "validation: {business: {teams: [red, blue]}}",
            ["validation.business.teams none -> blue, red"],
        ),
        (
            'validation: {business: {most_usd_per_request: "2.50"}}',
            ["validation.business.most_usd_per_request none -> 2.5"],
        ),
        (
            'validation: {business: {hours: {from: "22:00", until: "06:30", days: [mon, sat]}}}',
            ["validation.business.hours none -> 22:00-06:30 mon,sat UTC"],
        ),
        (
            "validation: {technical: {native_dialect: true}}",
            ["validation.technical.native_dialect false -> true"],
        ),
        (
            "validation: {quality: {least_precision: 0.75}}",
            ["validation.quality.least_precision 0.5 -> 0.75"],
        ),
        (
            'approval: {above_usd: "2.00", triggers: [small_talk], webhook: "https://h.example/secret"}',
            [
                "approval.above_usd none -> 2",
                "approval.triggers: added small_talk",
                "approval.webhook is new",
            ],
        ),
        (
            "approval: {expires_after: 2h, meanwhile: base}",
            ["approval.expires_after_s 86400 -> 7200", "approval.meanwhile deny -> base"],
        ),
    ],
)
def test_sections_by_name(section: str, lines: list[str]) -> None:
    """Rules of validation and of approval that differ are named with both values; no webhook's URL is."""
    assert (
        list(differences(make_policy(SMALL_PACK), make_policy(SMALL_PACK, f"pack: t\n{section}\n"))) == lines
    )


def odd(*texts: str) -> list[tuple[str, int, str]]:
    """Return the warnings about the last of these packs."""
    packs = [PackText(f"{n}.yaml", text) for n, text in enumerate(texts)]
    below = make_policy(*texts[:-1]) if texts[:-1] else None
    return [(each.path, each.line, each.message) for each in warnings(below, make_policy(*texts), packs)]


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        (
            (
                "triggers:\n- {id: a, kind: k, reason: r, when: {any: [\n  {signal: lexicon.security, at_least: 1},\n"
                "  {signal: declared.service.x, at_least: 2}]}}"
            ),
            5,
            "trigger `a`: declared.service.x never exceeds 1; lower 2",
        ),
        (
            (
                "triggers:\n- id: a\n  kind: k\n  reason: r\n  when:\n    all:\n"
                "    - {signal: lexicon.security, above: 3}\n    - {signal: lexicon.security, below: 1}"
            ),
            9,
            "trigger `a`: lexicon.security cannot be both from 3 and up to 1; correct one",
        ),
        (
            "triggers:\n- {id: critical_security, kind: k, reason: r, when: {signal: lexicon.security, at_least: 1}}",
            3,
            "trigger `critical_security` replaces one of pack `small` and drops its floor; add `floor: premium`",
        ),
        (
            "triggers:\n- {id: small_talk, kind: k, reason: r, when: {signal: lexicon.routine, at_least: 2}}",
            3,
            "trigger `small_talk` replaces that of pack `small`; give it an id of its own",
        ),
        (
            "triggers:\n- id: critical_security\n  disabled: true",
            4,
            (
                "trigger `critical_security` of pack `small` demands premium and is disabled; "
                "raise its bounds instead, or say why in a comment"
            ),
        ),
        (
            "economy:\n  threshold: 1",
            3,
            "economy.threshold 1 is hardly ever reached; say `enabled: false` if that is meant",
        ),
        ("lexicons:\n  mine: [a]", 3, "no trigger reads lexicon.mine; test it in one or remove it"),
        (
            "data_classes:\n- {name: card, found: [credit_card], providers: [vendr]}",
            3,
            "class `card` names `vendr`, which is none of the providers; did you mean `vendor`?",
        ),
        (
            "data_classes:\n- name: card\n  deployments:\n  - glm\n  - mine",
            6,
            "class `card` names `mine`, which is none of the deployments; the configuration has glm, opus",
        ),
    ],
)
def test_warnings_name_the_line(lines: str, line: int, words: str) -> None:
    """What cannot be meant is told with the pack's path, the line and what to do."""
    assert odd(SMALL_PACK, f"pack: team\n{lines}\n") == [("1.yaml", line, words)]


def test_sound_packs() -> None:
    """A pack that says nothing odd has no warning; one that takes another's name has."""
    assert odd(SMALL_PACK) == []
    assert odd(SMALL_PACK, "description: mine\npack: small") == [
        ("1.yaml", 2, "another pack below is called `small` too; give this one its own name")
    ]


def test_near_misses() -> None:
    """What came close is told with the value and the bound; what fired or is far away is not."""
    triggers = make_policy(SMALL_PACK, OVER).triggers

    (miss,) = near_misses(triggers, {"lexicon.security": 1.5, "request.has_tools": 0.0}, ["extra"])

    assert (miss.trigger, miss.because) == ("critical_security", "lexicon.security 1.50 < 2.00")
    assert near_misses(triggers, {"lexicon.security": 0.5}, ["extra"]) == ()
    assert near_misses(triggers, {"lexicon.security": 1.5}, ["extra", "critical_security"]) == ()
