"""What every client is asked to do, and what it must have got: one check for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

import pytest
from client import PNG, TEXT, TIME, WEATHER, WRONG_KEY, Access, Client, Told
from running_gateway import GLM, OPUS
from stage import MODELS, Stage

from gateway.upstreams.scripted import Scenario


@dataclass(frozen=True, slots=True)
class Play:
    """One case played by one client on one model."""

    stage: Stage
    make: type[Client]
    model: str

    def access(self, **changes: object) -> Access:
        """Return the way in, with something changed."""
        return replace(Access(self.stage.url, self.stage.key), **changes)  # type: ignore[arg-type]

    def do(self, name: str, model: str = "", **changes: object) -> Told:
        """Return what the client told of a case."""
        told = getattr(self.stage.client(self.make, self.access(**changes)), name)(model or self.model)
        assert isinstance(told, Told)
        return told

    def refusal(self, name: str, model: str = "", **changes: object) -> Exception:
        """Return the error the client raised instead."""
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the checks look at its class
            self.do(name, model, **changes)
        assert not isinstance(caught.value, AssertionError | AttributeError | TypeError), caught.value
        return caught.value


def named(error: Exception) -> set[str]:
    """Return the names of an error's class and of those it extends."""
    return set(getattr(error, "names", ())) or {kind.__name__ for kind in type(error).__mro__}


def check_plain(play: Play) -> None:
    """Text arrives to the letter."""
    play.stage.script(Scenario(content=TEXT))
    told = play.do("plain")
    assert told.text == TEXT
    assert told.finish == play.make.finishes[0]


def check_stream(play: Play) -> None:
    """Text arrives to the letter, in more than one piece, though it came seven bytes at a time."""
    play.stage.script(Scenario(content=TEXT, events=5, chunk_bytes=7))
    told = play.do("stream")
    assert told.text == TEXT
    assert told.pieces > 1
    assert told.finish == play.make.finishes[0]


def check_tool_round(play: Play) -> None:
    """A call is made, its result goes back, and words end it."""
    play.stage.script(Scenario())
    told = play.do("tool_round")
    (call,) = told.calls
    assert call.name == play.make.tool
    assert isinstance(call.arguments, dict)
    assert len(told.text) > 1
    sent = json.dumps(play.stage.calls[-1].body, ensure_ascii=False)
    assert play.make.tool_result in sent
    assert all(str(value) in sent for value in call.arguments.values())
    assert len(play.stage.calls) == 2


def check_parallel_tools(play: Play) -> None:
    """Two calls in one stream keep their own id, name and arguments."""
    play.stage.script(Scenario(interleaved_tools=2))
    told = play.do("parallel_tools")
    assert sorted(call.name for call in told.calls) == [TIME, WEATHER]
    assert len({call.id for call in told.calls}) == 2
    assert all(isinstance(c.arguments, dict) and c.arguments["city"] for c in told.calls)
    assert told.finish == play.make.finishes[1]


def check_structured(play: Play) -> None:
    """An answer by schema is parsed by the client's own reader."""
    play.stage.script(Scenario())
    parsed = play.do("structured").parsed
    assert isinstance(parsed, dict)
    assert sorted(parsed) == ["safe", "why"]
    assert isinstance(parsed["safe"], bool)


def check_image(play: Play) -> None:
    """An image reaches the model that can see."""
    play.stage.script(Scenario())
    assert play.do("image", "auto").text
    (call,) = play.stage.calls
    assert call.model == OPUS
    assert PNG in json.dumps(call.body)


def check_typed_errors(play: Play) -> None:
    """A wrong key, an unknown model and a bad request are the client's own classes of error."""
    expected = play.make.refusals
    play.stage.script(Scenario())
    assert expected[401] in named(play.refusal("plain", key=WRONG_KEY))
    assert expected[404] in named(play.refusal("plain", "no-such-model"))
    assert play.stage.calls == []
    play.stage.script(Scenario(status=400))
    assert expected[400] in named(play.refusal("plain"))


def check_retry_after(play: Play) -> None:
    """A client told to come back in a second waits that long, and is then served."""
    play.stage.script(Scenario())
    began = monotonic()
    assert play.do("plain", f"{play.model}-limited", retries=3).text
    assert monotonic() - began >= 0.95
    assert len(play.stage.calls) == 2


def check_broken_stream(play: Play) -> None:
    """A stream that breaks is an error of the client, not an end."""
    play.stage.script(Scenario())
    error = play.refusal("stream", f"{play.model}-broken")
    assert play.make.failure in named(error), (type(error), error)
    assert play.stage.newest_row()["attempts"] == 1


def check_usage(play: Play) -> None:
    """The tokens the client is told of are those in the books."""
    play.stage.script(Scenario())
    told = play.do("usage")
    row = play.stage.newest_row()
    assert told.output_tokens == row["output_tokens"]
    assert told.input_tokens == row["input_tokens"]
    assert told.input_tokens > 0


def check_cancel(play: Play) -> None:
    """A client that leaves its stream ends the vendor's work within a second."""
    play.stage.script(Scenario(events=60, hang_after_events=30))
    play.do("cancel")
    left = play.stage.run(play.stage.running.vendors.wait_disconnect(1.0))
    assert left.model in {GLM, OPUS}


def check_models(play: Play) -> None:
    """The models the key may use are listed, `auto` first."""
    names = play.do("models").names
    assert names[0] == "auto"
    assert set(MODELS) <= set(names)


def check_count_tokens(play: Play) -> None:
    """Tokens are counted without asking a vendor."""
    play.stage.script(Scenario())
    assert play.do("count_tokens").input_tokens > 3
    assert play.stage.calls == []


@dataclass(frozen=True, slots=True)
class Case:
    """One column of the table."""

    name: str
    check: Callable[[Play], None]
    models: tuple[str, ...] = MODELS


CASES = (
    Case("plain", check_plain),
    Case("stream", check_stream),
    Case("tool_round", check_tool_round),
    Case("parallel_tools", check_parallel_tools),
    Case("structured", check_structured),
    Case("image", check_image, MODELS[1:]),
    Case("typed_errors", check_typed_errors),
    Case("retry_after", check_retry_after, MODELS[:1]),
    Case("broken_stream", check_broken_stream),
    Case("usage", check_usage),
    Case("cancel", check_cancel),
    Case("models", check_models, MODELS[:1]),
    Case("count_tokens", check_count_tokens, MODELS[:1]),
)
