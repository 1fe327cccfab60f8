"""What the demo asks: realistic work of two teams, routine and critical, well and badly served."""

from __future__ import annotations

from typing import Literal

import msgspec

Mode = Literal["json", "stream", "tools"]


class DemoPrompt(msgspec.Struct, frozen=True):
    """One request of the demo."""

    team: Literal["storefront", "platform"]
    text: str
    mode: Mode = "json"
    model: str = "auto"
    vendor_fails: bool = False
    """The cheap vendor answers 503 to this one, so that the fallback is seen."""


PROMPTS: tuple[DemoPrompt, ...] = (
    DemoPrompt("storefront", "Fix the typo in the README heading: 'Instalation' should read 'Installation'."),
    DemoPrompt("storefront", "Write a docstring for the function slugify(title).", "stream"),
    DemoPrompt(
        "platform",
        "Our login endpoint builds its query by string concatenation and the pentest found a SQL injection. "
        "Close it without breaking the existing session handling.",
        "stream",
    ),
    DemoPrompt("storefront", "Translate the checkout button labels to German and French."),
    DemoPrompt("platform", "Rename the variable cnt to item_count in cart.py.", "stream"),
    DemoPrompt(
        "platform",
        "Split the orders table: move shipping addresses to their own table with a foreign key, and write "
        "the zero-downtime migration with a backfill.",
    ),
    DemoPrompt("storefront", "Give me a regular expression that matches ISO dates like 2026-01-31."),
    DemoPrompt(
        "storefront", "Convert this list comprehension to a for loop: [x * 2 for x in xs if x > 3]", "stream"
    ),
    DemoPrompt(
        "platform",
        "Decide between event sourcing and plain CRUD for the ledger service: lay out the architecture "
        "trade-offs, failure modes and how bounded contexts would be cut.",
        "stream",
    ),
    DemoPrompt("storefront", "What is the difference between margin and padding in CSS?"),
    DemoPrompt("platform", "Look up the current weather in Lisbon with get_weather and tell me.", "tools"),
    DemoPrompt(
        "platform",
        "p99 latency of the search endpoint went from 80 ms to 2 s after the last release. Profile it, find "
        "the lock contention on the hot path and fix it.",
        "stream",
    ),
    DemoPrompt(
        "storefront", "Bump the version in package.json to 2.4.1 and update the changelog.", vendor_fails=True
    ),
    DemoPrompt("storefront", "Add a unit test for the empty-cart case of total_price()."),
    DemoPrompt(
        "platform",
        "Refactor the payment modules: extract the gateway client into its own package and update all call "
        "sites across the codebase.",
    ),
    DemoPrompt(
        "platform", "Summarise this sprint's three bullet points into one sentence for the team chat."
    ),
    DemoPrompt(
        "platform",
        "Integrate the billing service with the new invoicing API: events over Kafka between the two "
        "services, idempotent consumers, and a saga for refunds.",
        "stream",
    ),
    DemoPrompt("storefront", "Sort the imports in views.py and remove the unused ones."),
    DemoPrompt("storefront", "Explain what this error means: 'list index out of range'.", "stream", "gpt-4o"),
    DemoPrompt("platform", "Write a haiku about continuous integration.", "json", "claude-opus-4-1"),
    DemoPrompt(
        "platform",
        "An attacker can replay our password reset tokens. Review the token lifecycle, make them single use "
        "and rotate the signing keys.",
    ),
)

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
