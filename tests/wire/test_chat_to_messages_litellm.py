"""Differential test: the corpus translated by this gateway and by litellm says the same to Anthropic."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from anthropic_samples import OPUS, translated

Body = dict[str, Any]

CORPUS = sorted((Path(__file__).parents[1] / "corpus/chat").glob("*.json"))
ACCEPTED: Mapping[tuple[str, str], str] = {
    ("effort", "thinking"): "the budgets by effort are each gateway's own",
    ("empty_arguments", "messages"): "litellm invents a text where the assistant said none",
    ("json_object", "tools"): "litellm ignores json_object; here the helper sees to it",
    ("json_object", "tool_choice"): "litellm ignores json_object; here the helper is forced",
    ("json_schema", "tools"): "the helper's name and description are each gateway's own",
    ("json_schema", "tool_choice"): "the helper's name; here it is also called once only",
    ("json_schema", "json_mode"): "a note of litellm's to itself",
    ("late_system", "messages"): "litellm marks the place with a sentence, this gateway with tags",
    ("legacy_functions", "messages"): "litellm's random ids of call and result do not meet",
    ("legacy_functions", "tool_choice"): "`functions` promises one call at a time",
    ("odd_ids", "messages"): "litellm maps different ids to one name; here a digest keeps them apart",
    ("pdf", "messages"): "the file's name is the document's title here",
    ("system", "stop_sequences"): "Anthropic refuses blank stop texts",
}
"""Fields in which the two differ, and why that is right."""


@pytest.fixture(scope="session")
def by_litellm() -> Iterator[Callable[[Body], Body]]:
    """Translate with litellm; importing it takes seconds, so it is done once."""
    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patched.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        from litellm.llms.anthropic.chat.transformation import AnthropicConfig

        def translate(request: Body) -> Body:
            body = {name: value for name, value in request.items() if name not in {"model", "messages"}}
            if functions := body.pop("functions", None):
                body["tools"] = [{"type": "function", "function": one} for one in functions]
            config = AnthropicConfig()
            params = config.map_openai_params(
                non_default_params=body, optional_params={}, model=OPUS.model, drop_params=True
            )
            sent: Body = config.transform_request(
                model=OPUS.model,
                messages=request["messages"],
                optional_params=params,
                litellm_params={},
                headers={},
            )
            return sent

        yield translate


def normal(body: Body) -> Body:
    """Return a body without what changes nothing: the default `type` of a tool."""
    tools = [{name: one[name] for name in one if name != "type"} for one in body.get("tools", [])]
    return body | {"tools": tools}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_same_as_litellm(path: Path, by_litellm: Callable[[Body], Body]) -> None:
    """Both say the same, but for the differences listed, all of which are real."""
    request = json.loads(path.read_text())
    fields = {name: value for name, value in request.items() if name != "model"}

    ours, theirs = normal(translated(**fields)), normal(by_litellm(request))

    differing = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    assert differing == {field for case, field in ACCEPTED if case == path.stem}


def test_every_difference_is_of_the_corpus() -> None:
    """No difference is listed for a request that is not there."""
    assert {case for case, _ in ACCEPTED} <= {path.stem for path in CORPUS}
