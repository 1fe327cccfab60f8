"""Differential test: the corpus translated by this gateway and by litellm says the same to a chat vendor."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from matrix_samples import BRIDGES, GPT

from gateway.exchange import Target
from gateway.wire import build_codecs

Body = dict[str, Any]
Translate = Callable[[Body], Body]

CORPUS = Path(__file__).parents[1] / "corpus"
REQUESTS = [path for kind in ("messages", "responses") for path in sorted((CORPUS / kind).glob("*.json"))]
PLAIN = Target(
    deployment="d", provider="hosted_vllm", model=GPT.model, dialect="chat", max_output_tokens=16_384
)
ACCEPTED: Mapping[tuple[str, str, str], str] = {
    ("messages", "any_tool_once", "parallel_tool_calls"): "litellm forgets that one call was asked for",
    ("messages", "image_result", "messages"): "OpenAI takes no images in a tool's message; the user shows them",
    ("messages", "parallel_round", "messages"): "litellm forgets that the tool failed",
    ("messages", "system_blocks", "top_k"): "chat has no such field",
    ("messages", "thinking", "messages"): "Claude's signed thinking means nothing to another vendor",
    ("responses", "codex", "messages"): "roles every vendor knows, no reasoning to who takes none, custom input by its name",
    ("responses", "codex", "tools"): "a custom tool's one text goes by its own name here, `input`",
    ("responses", "codex", "web_search_options"): "declared unasked, and no vendor but OpenAI searches",
    ("responses", "image", "messages"): "litellm adds a detail nobody asked for",
}  # fmt: skip
"""Fields in which the two differ, and why that is right."""


@pytest.fixture(scope="session")
def by_litellm() -> Iterator[Mapping[str, Translate]]:
    """Translate with litellm; importing it takes seconds, so it is done once."""
    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patched.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        from litellm.llms.anthropic.pass_through.adapters.transformation import (
            LiteLLMAnthropicMessagesAdapter,
        )
        from litellm.responses.litellm_completion_transformation.transformation import (
            LiteLLMCompletionResponsesConfig,
        )

        def from_messages(request: Body) -> Body:
            sent, _ = LiteLLMAnthropicMessagesAdapter().translate_anthropic_to_openai(request)  # type: ignore[arg-type]
            return dict(sent)

        def from_responses(request: Body) -> Body:
            asked = dict(request)
            body: Body = (
                LiteLLMCompletionResponsesConfig.transform_responses_api_request_to_chat_completion_request(
                    model=asked.pop("model"),
                    input=asked.pop("input"),
                    responses_api_request=asked,  # type: ignore[arg-type]
                    stream=asked.get("stream"),
                )
            )
            return body

        yield {"messages": from_messages, "responses": from_responses}


def normal(value: object) -> object:
    """Leave out what changes nothing: nulls, numbers of calls, lists of one text, `strict: false`."""
    if isinstance(value, list):
        (first, *more) = value or [None]
        if not more and isinstance(first, dict) and first.get("type") == "text":
            return first["text"]
        return [normal(one) for one in value]
    return fields(value) if isinstance(value, dict) else value


def fields(value: Body) -> Body:
    """Return an object's members, each without what changes nothing."""
    kept = {name: normal(one) for name, one in value.items() if one is not None and name != "index"}
    if isinstance(kept.get("arguments"), str):
        kept["arguments"] = json.loads(value["arguments"])
    if kept.get("strict") is False:
        del kept["strict"]
    return kept


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: f"{path.parent.stem}-{path.stem}")
def test_same_as_litellm(path: Path, by_litellm: Mapping[str, Translate]) -> None:
    """Both say the same, but for the differences listed, all of which are real."""
    kind, raw = path.parent.stem, path.read_bytes()
    codec = next(codec for dialect, codec in build_codecs().items() if dialect == kind)
    bridge = BRIDGES.between(codec.dialect, "chat", PLAIN.provider)

    ours = fields(json.loads(bridge.request(codec.parse_request(raw), PLAIN)))
    told = by_litellm[kind](json.loads(raw) | {"model": PLAIN.model})
    theirs = fields(json.loads(json.dumps(told, default=dict)))

    differing = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    assert differing == {field for one, case, field in ACCEPTED if (one, case) == (kind, path.stem)}


def test_every_difference_is_of_the_corpus() -> None:
    """No difference is listed for a request that is not there."""
    assert {(kind, case) for kind, case, _ in ACCEPTED} <= {(p.parent.stem, p.stem) for p in REQUESTS}
