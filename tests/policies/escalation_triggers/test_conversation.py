from __future__ import annotations

from policies.escalation_triggers.conversation import ConversationSource
from policies.facts import Ask, Conversation, Features


def test_every_count() -> None:
    """Each count of the conversation is a signal under its own name."""
    counts = Conversation(
        message_count=9, user_turns=4, tool_failures=3, repeated_error=2, broken_tool_calls=1, reasks=5
    )
    features = Features(ask=Ask(text="x"), conversation=counts)
    signals = ConversationSource().measure(features)

    assert {name: signal.value for name, signal in signals.items()} == {
        "conversation.message_count": 9.0,
        "conversation.user_turns": 4.0,
        "conversation.tool_failures": 3.0,
        "conversation.repeated_error": 2.0,
        "conversation.broken_tool_calls": 1.0,
        "conversation.reasks": 5.0,
    }
    assert set(ConversationSource().names()) == set(signals)
    assert ConversationSource().locate("conversation.reasks", features) == ()
