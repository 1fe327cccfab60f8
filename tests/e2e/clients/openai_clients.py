"""OpenAI's own Python client: blocking, asynchronous, and over Responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable
from typing import TypeVar

from client import ASK, CITY, ONE_CALL, PNG, RESULT, TIME, TWO_CALLS, WEATHER, Access, Called, Client, Told
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response
from pydantic import BaseModel

T = TypeVar("T")
NO_COUNT = {"count_tokens": "OpenAI's API has no such call"}
TOOLS = [{"type": "function", "function": {"name": n, "parameters": CITY}} for n in (WEATHER, TIME)]
FUNCTIONS = [{"type": "function", "name": n, "parameters": CITY, "strict": False} for n in (WEATHER, TIME)]
TIMEOUT_S = 10


class Verdict(BaseModel):
    """What the structured answer is read into."""

    safe: bool
    why: str


def ask(text: str = ASK) -> list[dict[str, object]]:
    """Return a conversation of one question."""
    return [{"role": "user", "content": text}]


def picture() -> list[dict[str, object]]:
    """Return a question about an image."""
    url = {"url": f"data:image/png;base64,{PNG}"}
    content = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": url}]
    return [{"role": "user", "content": content}]


def told(answer: ChatCompletion) -> Told:
    """Return what a completion says."""
    message, usage = answer.choices[0].message, answer.usage
    calls = [
        Called(c.function.name, json.loads(c.function.arguments), c.id) for c in message.tool_calls or []
    ]
    return Told(
        text=message.content or "",
        finish=answer.choices[0].finish_reason,
        calls=tuple(calls),
        input_tokens=usage.prompt_tokens if usage else 0,
        output_tokens=usage.completion_tokens if usage else 0,
    )


def told_stream(chunks: Iterable[ChatCompletionChunk]) -> Told:
    """Return what the chunks add up to."""
    text, finish, calls, usage = [], "", {}, None
    for chunk in chunks:
        usage = getattr(chunk, "usage", None) or usage
        for choice in chunk.choices:
            text += [choice.delta.content] if choice.delta.content else []
            finish += choice.finish_reason or ""
            for delta in choice.delta.tool_calls or []:
                call = calls.setdefault(delta.index, ["", "", ""])
                call[0] += delta.id or ""
                call[1] += delta.function.name or ""
                call[2] += delta.function.arguments or ""
    return Told(
        text="".join(text),
        pieces=len(text),
        finish=finish,
        calls=tuple(Called(name, json.loads(arguments), id_) for id_, name, arguments in calls.values()),
        input_tokens=usage.prompt_tokens if usage else 0,
        output_tokens=usage.completion_tokens if usage else 0,
    )


class OpenAIPython(Client):
    """Chat Completions, blocking."""

    title, package, endpoint = "openai, Python", "openai", "/v1/chat/completions"
    failure = "APIError"
    lacks = NO_COUNT

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.client = OpenAI(
            base_url=f"{access.url}/v1", api_key=access.key, max_retries=access.retries, timeout=TIMEOUT_S
        )
        self.create = self.client.chat.completions.create

    def close(self) -> None:
        """Close its connections."""
        self.client.close()

    def plain(self, model: str) -> Told:
        """Ask once."""
        return told(self.create(model=model, messages=ask()))

    def stream(self, model: str) -> Told:
        """Read a stream."""
        return told_stream(self.create(model=model, messages=ask(), stream=True))

    def tool_round(self, model: str) -> Told:
        """Call a tool and give its result."""
        messages = ask(ONE_CALL)
        first = self.create(model=model, messages=messages, tools=TOOLS)
        message = first.choices[0].message
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": RESULT}
        second = self.create(model=model, messages=[*messages, message, result], tools=TOOLS)
        return Told(text=told(second).text, calls=told(first).calls)

    def parallel_tools(self, model: str) -> Told:
        """Gather two calls out of a stream."""
        return told_stream(self.create(model=model, messages=ask(TWO_CALLS), tools=TOOLS, stream=True))

    def structured(self, model: str) -> Told:
        """Have the answer parsed into a class."""
        answer = self.client.chat.completions.parse(model=model, messages=ask(), response_format=Verdict)
        return Told(parsed=answer.choices[0].message.parsed.model_dump())

    def image(self, model: str) -> Told:
        """Show a picture."""
        return told(self.create(model=model, messages=picture()))

    def usage(self, model: str) -> Told:
        """Ask for the count in a stream."""
        options = {"include_usage": True}
        return told_stream(self.create(model=model, messages=ask(), stream=True, stream_options=options))

    def cancel(self, model: str) -> Told:
        """Leave after the first chunk."""
        stream = self.create(model=model, messages=ask(), stream=True)
        next(iter(stream))
        stream.close()
        return Told()

    def models(self, _model: str) -> Told:
        """List the models."""
        return Told(names=tuple(model.id for model in self.client.models.list()))


class OpenAIAsync(OpenAIPython):
    """Chat Completions, asynchronous."""

    title = "openai, Python, async"

    def __init__(self, access: Access) -> None:
        Client.__init__(self, access)
        self.loop = asyncio.new_event_loop()
        self.client = AsyncOpenAI(
            base_url=f"{access.url}/v1", api_key=access.key, max_retries=access.retries, timeout=TIMEOUT_S
        )

    def close(self) -> None:
        """Close its connections and its loop."""
        self.run(self.client.close())
        self.loop.close()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Return the result of some work."""
        return self.loop.run_until_complete(work)

    def create(self, **body: object) -> object:
        """Create a completion; a stream is read to its end."""
        return self.run(self._create(**body))

    async def _create(self, **body: object) -> object:
        answer = await self.client.chat.completions.create(**body)
        return [chunk async for chunk in answer] if body.get("stream") else answer

    def structured(self, model: str) -> Told:
        """Have the answer parsed into a class."""
        work = self.client.chat.completions.parse(model=model, messages=ask(), response_format=Verdict)
        return Told(parsed=self.run(work).choices[0].message.parsed.model_dump())

    def cancel(self, model: str) -> Told:
        """Cancel the task that reads."""

        async def leave() -> None:
            stream = await self.client.chat.completions.create(model=model, messages=ask(), stream=True)
            await anext(stream)
            reading = asyncio.ensure_future(anext(stream))
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await stream.close()

        self.run(leave())
        return Told()

    def models(self, _model: str) -> Told:
        """List the models."""

        async def names() -> tuple[str, ...]:
            return tuple([model.id async for model in self.client.models.list()])

        return Told(names=self.run(names()))


def told_response(answer: Response) -> Told:
    """Return what a response says."""
    calls = [
        Called(item.name, json.loads(item.arguments), item.call_id)
        for item in answer.output
        if item.type == "function_call"
    ]
    return Told(
        text=answer.output_text,
        finish=answer.status or "",
        calls=tuple(calls),
        input_tokens=answer.usage.input_tokens if answer.usage else 0,
        output_tokens=answer.usage.output_tokens if answer.usage else 0,
    )


class OpenAIResponses(OpenAIPython):
    """Responses, without stored state."""

    title, endpoint = "openai, Python, Responses", "/v1/responses"
    finishes = ("completed", "completed")
    lacks = NO_COUNT | {"models": "the same call as above"}

    def respond(self, model: str, said: object = ASK, **more: object) -> Response:
        """Create a response."""
        return self.client.responses.create(model=model, input=said, store=False, **more)

    def plain(self, model: str) -> Told:
        """Ask once."""
        return told_response(self.respond(model))

    def stream(self, model: str) -> Told:
        """Read a stream to its final response."""
        with self.client.responses.stream(model=model, input=ASK, store=False) as stream:
            pieces = sum(event.type == "response.output_text.delta" for event in stream)
            final = told_response(stream.get_final_response())
        return Told(text=final.text, finish=final.finish, pieces=pieces)

    def tool_round(self, model: str) -> Told:
        """Call a function and give its output, the history going back as it came."""
        first = self.respond(model, ONE_CALL, tools=FUNCTIONS)
        call = told_response(first).calls[0]
        output = {"type": "function_call_output", "call_id": call.id, "output": RESULT}
        history = [*ask(ONE_CALL), *[item.to_dict() for item in first.output], output]
        second = self.respond(model, history, tools=FUNCTIONS)
        return Told(text=second.output_text, calls=(call,))

    def parallel_tools(self, model: str) -> Told:
        """Gather two calls out of a stream."""
        with self.client.responses.stream(
            model=model, input=TWO_CALLS, tools=FUNCTIONS, store=False
        ) as stream:
            return told_response(stream.get_final_response())

    def structured(self, model: str) -> Told:
        """Have the answer parsed into a class."""
        answer = self.client.responses.parse(model=model, input=ASK, text_format=Verdict, store=False)
        return Told(parsed=answer.output_parsed.model_dump())

    def image(self, model: str) -> Told:
        """Show a picture."""
        url = f"data:image/png;base64,{PNG}"
        parts = [{"type": "input_text", "text": "what is this"}, {"type": "input_image", "image_url": url}]
        return told_response(self.respond(model, [{"role": "user", "content": parts}]))

    def usage(self, model: str) -> Told:
        """Read the count at the end of a stream."""
        with self.client.responses.stream(model=model, input=ASK, store=False) as stream:
            return told_response(stream.get_final_response())

    def cancel(self, model: str) -> Told:
        """Leave after the first event."""
        stream = self.respond(model, stream=True)
        next(iter(stream))
        stream.close()
        return Told()


CLIENTS = (OpenAIPython, OpenAIAsync, OpenAIResponses)
