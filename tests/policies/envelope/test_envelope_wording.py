"""Consent and complaint are told from work."""

from __future__ import annotations

import pytest

from policies.envelope import Envelopes

_CONSENT = (
    "yes|Yes, go ahead!|do it|lgtm, proceed|1|OK|ok.|continue|Option 2 please|sounds good, thanks"
    "|Let's do it|👍|ja, mach weiter|oui, vas-y|sí, adelante|sim, pode continuar|да, давай|好的，继续"  # noqa: RUF001
    "|はい、お願いします|네"
)


@pytest.mark.parametrize("text", _CONSENT.split("|"))
def test_consent_is_recognised(envelopes: Envelopes, text: str) -> None:
    """Short agreement in many languages is consent."""
    assert envelopes.wording.approves(text)


@pytest.mark.parametrize(
    "text",
    "no|yes but use Redis|thanks|great|a b c|1 2 3|continue with the database migration|ok rename x|ok? why|"
    "please|proceed to refactor|".split("|"),
)
def test_work_is_no_consent(envelopes: Envelopes, text: str) -> None:
    """Anything that adds work, thanks alone and enumerations are not."""
    assert not envelopes.wording.approves(text)


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("Still failing.", True),
        ("that didn't work", True),
        ("same error again", True),
        ("es geht immer noch nicht", True),
        ("please fix the login page redirect", True),
        ("Add a logout button", False),
        ("fix", False),
        ("Explain: " + "why it is still failing " * 40, False),
    ],
)
def test_reask_is_recognised(envelopes: Envelopes, text: str, *, repeats: bool) -> None:
    """A complaint or nearly the same words repeat the ask before."""
    assert envelopes.wording.repeats(text, "fix the login page redirect") is repeats
