"""Every check against good and bad answers."""

from __future__ import annotations

import pytest
from answer_samples import BAD, GOOD, PERSON, call, text

from policies.answer_checks import CHECK_NAMES, AnswerView, Tool, check_answer


@pytest.mark.parametrize("name", GOOD)
def test_good_answers_pass(name: str) -> None:
    """No check raises a false alarm on an answer that is fit to deliver."""
    failures = [result for result in check_answer(GOOD[name], CHECK_NAMES) if result.passed is False]

    assert failures == []


@pytest.mark.parametrize("name", BAD)
def test_bad_answers_fail(name: str) -> None:
    """Each broken answer fails the check that is there for it."""
    check, view = BAD[name]
    (result,) = check_answer(view, {check})

    assert (result.check, result.passed) == (check, False)
    assert result.reason


def test_only_enabled_checks_run() -> None:
    """A check that is not enabled says nothing; a name nobody knows is passed over."""
    results = check_answer(text(""), ["refusal", "no_such_check"])

    assert [result.check for result in results] == ["refusal"]


def test_order_is_the_registrys() -> None:
    """The order in which checks are enabled changes nothing."""
    names = [result.check for result in check_answer(text("ok"), set(CHECK_NAMES))]

    assert names == list(CHECK_NAMES)


@pytest.mark.parametrize(
    ("check", "view"),
    [
        ("schema", text("anything")),
        ("schema", AnswerView(text="{}", json_schema=b"{broken")),
        ("schema", AnswerView(text="[" * 100_000, json_schema=b"{}")),
        ("schema", AnswerView(text='"' + "x" * 300_000 + '"', json_schema=b"{}")),
        ("schema", AnswerView(text="", tool_calls=call(("ping", "{}")).tool_calls, json_schema=PERSON)),
        ("tool_arguments", text("no call")),
        ("refusal", text("")),
        ("truncation", text("")),
        ("code_parses", text("no code")),
        ("code_parses", text("```\nplain\n```")),
        ("empty_or_looping", call(("ping", "{}"))),
    ],
)
def test_inapplicable_checks_abstain(check: str, view: AnswerView) -> None:
    """Where a check has nothing to judge by, it says so rather than pass or fail."""
    (result,) = check_answer(view, {check})

    assert result.passed is None


def test_unusable_tool_schema_is_no_fault() -> None:
    """A tool whose declared parameters cannot be read does not fail the answer."""
    view = call(("t", '{"a": 1}'), tools=(Tool(name="t", parameters=b"{broken"),))

    assert check_answer(view, {"tool_arguments"})[0].passed is True


def test_reasons_never_quote_the_answer() -> None:
    """A reason may be logged, so the answer's own words stay out of it."""
    view = AnswerView(text='{"name": 1, "hunter2": "x"}', json_schema=PERSON)
    (result,) = check_answer(view, {"schema"})

    assert result.passed is False
    assert "hunter2" not in result.reason
