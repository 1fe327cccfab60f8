from __future__ import annotations

import json
from typing import Any

import pytest
from matrix_samples import (
    BRIDGES,
    DONE,
    NOW,
    RECEIPT,
    USAGE,
    answered,
    called,
    carried,
    chunk,
    events,
    openai_client,
    responses,
)
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.wire.base import Relay
from gateway.wire.openai_responses.codec import OpenAIResponses

EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
TOOLS = [
    {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False},
    {"type": "custom", "name": "apply_patch", "description": "Edits."},
    {"type": "local_shell"},
    {
        "type": "namespace",
        "name": "mcp__a",
        "description": "A.",
        "tools": [{"type": "function", "name": "q", "parameters": {}, "strict": False}],
    },
]
WHOLE = (
    chunk({"role": "assistant", "reasoning_content": "h"})
    + chunk({"reasoning_content": "m"})
    + chunk({"content": "Hé"})
    + b": keep-alive\n\n"
    + chunk({"content": "y"})
    + called(0, '{"a"', "c1")
    + called(1, '{"b"', "c2", "mcp__a__q")
    + called(0, ":1}")
    + called(1, ":2}")
    + chunk({}, "tool_calls", usage=USAGE)
    + DONE
)


def relay(**fields: object) -> Relay:
    """Return a fresh relay."""
    return BRIDGES.between("responses", "chat", "zai").relay(responses(stream=True, **fields))


def output(stream: bytes, **fields: object) -> list[dict[str, Any]]:
    """Return the items of the response a stream makes."""
    items: list[dict[str, Any]] = events(carried(relay(**fields), stream))[-1]["response"]["output"]
    return items


def test_official_client_accumulates() -> None:
    """OpenAI's own client follows the stream to the response that was meant."""
    client = openai_client(carried(relay(tools=TOOLS), WHOLE))

    with client.responses.stream(model="m", input="x") as stream:
        texts = [event.delta for event in stream if event.type == "response.output_text.delta"]
        response = stream.get_final_response()

    assert (texts, response.output_text) == (["Hé", "y"], "Héy")
    assert (response.id, response.created_at, response.model) == ("resp_7", NOW, "glm-4.5")
    calls = [item for item in response.output if item.type == "function_call"]
    assert [(call.call_id, call.name, call.namespace, call.arguments) for call in calls] == [
        ("c1", "f", None, '{"a":1}'),
        ("c2", "q", "mcp__a", '{"b":2}'),
    ]
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.total_tokens) == (30, 39)
    assert response.usage.input_tokens_details.cached_tokens == 20


def test_event_order() -> None:
    """Every event has OpenAI's shape and the next number; items begin and end in OpenAI's order."""
    found = events(carried(relay(), WHOLE))

    for number, event in enumerate(found):
        EVENT.validate_python(event)
        assert event["sequence_number"] == number
    assert [event["type"].removeprefix("response.") for event in found[:16]] == [
        *("created", "in_progress", "output_item.added", "reasoning_summary_part.added"),
        *("reasoning_summary_text.delta", "reasoning_summary_text.delta", "reasoning_summary_text.done"),
        *("reasoning_summary_part.done", "output_item.done", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done", "content_part.done"),
        "output_item.done",
    ]
    done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
    assert found[-1]["response"]["output"] == done
    assert found[-1]["gateway"] == RECEIPT


def test_one_item_at_a_time() -> None:
    """Calls that grow in turns are told one after the other, as OpenAI tells them."""
    told = events(carried(relay(tools=TOOLS), WHOLE))
    steps = [(e["type"], e["output_index"]) for e in told if "output_item" in e["type"]]
    added, done = "response.output_item.added", "response.output_item.done"

    assert steps == [(step, place) for place in range(4) for step in (added, done)]


def test_ending_is_held() -> None:
    """`response.completed` waits until the books are closed."""
    one = relay()

    sent = one.feed(WHOLE)
    one.close()

    assert b"response.completed" not in sent
    assert events(one.finish(None))[-1]["type"] == "response.completed"


def test_custom_tool_gets_its_text() -> None:
    """A custom tool's input comes out of the function's arguments whole, in its own events."""
    patch = "*** Begin Patch\n+é\n"
    arguments = json.dumps({"input": patch})
    stream = (
        called(0, arguments[:9], "c1", "apply_patch")
        + called(0, arguments[9:])
        + chunk({}, "tool_calls")
        + DONE
    )

    found = events(carried(relay(tools=TOOLS), stream))

    told = {event["type"]: event for event in found}
    assert told["response.custom_tool_call_input.delta"]["delta"] == patch
    assert told["response.custom_tool_call_input.done"]["input"] == patch
    assert told["response.output_item.added"]["item"]["input"] == ""
    (item,) = found[-1]["response"]["output"]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", patch)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("apply_patch", "*** Begin", {"type": "custom_tool_call", "input": "*** Begin"}),
        ("apply_patch", "", {"type": "custom_tool_call", "input": ""}),
        ("f", "", {"type": "function_call", "arguments": "{}"}),
        ("unheard_of", "{}", {"type": "function_call", "name": "unheard_of"}),
    ],
)
def test_odd_calls(name: str, arguments: str, expected: dict[str, Any]) -> None:
    """Calls that are not quite right keep what the model wrote."""
    stream = called(0, arguments, "c1", name) + chunk({}, "tool_calls") + DONE

    (item,) = output(stream, tools=TOOLS)

    assert expected.items() <= item.items()


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ('{"command":["ls","-l"],"timeout_ms":5}', ["ls", "-l"]),
        ('{"command":"ls | wc"}', ["bash", "-lc", "ls | wc"]),
        ('{"command":', []),
    ],
)
def test_shell_calls(arguments: str, command: list[str]) -> None:
    """A shell call is OpenAI's own item; what is no command is none."""
    stream = called(0, arguments, "c1", "local_shell") + chunk({}, "tool_calls") + DONE

    (item,) = output(stream, tools=TOOLS)

    assert (item["type"], item["action"]["type"], item["action"]["command"]) == (
        "local_shell_call",
        "exec",
        command,
    )


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_incomplete_responses(finish: str, reason: str) -> None:
    """An answer that was cut says so in its last event, its status and its last item."""
    last = events(carried(relay(), chunk({"content": "half"}, finish) + DONE))[-1]

    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": reason}
    assert (last["response"]["status"], last["response"]["output"][0]["status"]) == ("incomplete",) * 2


def test_refusal() -> None:
    """A refusal is a part of its own."""
    found = events(carried(relay(), chunk({"refusal": "no"}) + chunk({}, "stop") + DONE))

    assert [event["type"] for event in found].count("response.refusal.delta") == 1
    assert found[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]


def test_request_is_repeated_on_one_line() -> None:
    """What a response repeats of a request written on many lines does not break its events."""
    body = {"model": "m", "input": "x", "instructions": "a\nb", "tools": TOOLS, "metadata": None}
    request = OpenAIResponses().parse_request(json.dumps(body, indent=2).encode())
    one = BRIDGES.between("responses", "chat", "zai").relay(request)

    found = events(carried(one, chunk({"content": "x"}, "stop") + DONE))

    for event in (found[0], found[-1]):
        response = Response.model_validate(event["response"])
        assert (response.instructions, len(response.tools), response.metadata) == ("a\nb", 4, {})


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (chunk({"content": "half"}), "cut_off"),
        (b'data: {"error":{"code":"1305","message":"temporarily overloaded"}}\n\n', "overloaded"),
        (b"data: nonsense\n\n", "garbled"),
    ],
)
def test_faults(stream: bytes, kind: str) -> None:
    """A stream that breaks is a fault of its kind and is never completed."""
    one = relay()
    one.feed(chunk({"role": "assistant", "content": ""}) + stream)
    one.close()

    assert one.fault is not None
    assert one.fault.kind == kind
    assert one.finish(RECEIPT) == b""


def test_role_alone_is_no_output() -> None:
    """Until something is said, a failure may still fall back to another deployment."""
    one = relay()

    found = events(one.feed(chunk({"role": "assistant", "content": ""})))

    assert [event["type"] for event in found] == ["response.created", "response.in_progress"]
    assert not one.has_output


def test_stream_and_answer_agree() -> None:
    """A complete answer is the response its stream would have ended with."""
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "c2", "type": "function", "function": {"name": "mcp__a__q", "arguments": '{"b":2}'}},
    ]
    message = {"content": "Héy", "reasoning_content": "hm", "tool_calls": calls}
    bridge = BRIDGES.between("responses", "chat", "zai")

    whole = bridge.answer(responses(tools=TOOLS), answered(message, "tool_calls"))

    streamed = events(carried(relay(tools=TOOLS), WHOLE))[-1]["response"]
    assert json.loads(whole.body) == streamed
    assert openai_client(whole.body).responses.create(model="m", input="x").output_text == "Héy"


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"<html>", "garbled"), (b'{"error":{"code":"1113","message":"no money"}}', "account_empty")],
)
def test_faulty_answers(body: bytes, kind: str) -> None:
    """An answer that is none is a fault of its kind."""
    fault = BRIDGES.between("responses", "chat", "zai").answer(responses(), body).fault

    assert fault is not None
    assert fault.kind == kind
