"""Anthropic's own Python client, blocking and asynchronous."""

from __future__ import annotations

import asyncio

from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import Message
from client import CITY, ONE_CALL, PNG, RESULT, TIME, TWO_CALLS, WEATHER, Access, Called, Client, Told
from openai_clients import TIMEOUT_S, Verdict, ask

TOOLS = [{"name": name, "description": name, "input_schema": CITY} for name in (WEATHER, TIME)]
MOST = 2_000


def told(message: Message, pieces: int = 0) -> Told:
    """Return what a message says."""
    usage = message.usage
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return Told(
        text="".join(block.text for block in message.content if block.type == "text"),
        finish=message.stop_reason or "",
        pieces=pieces,
        calls=tuple(Called(b.name, b.input, b.id) for b in message.content if b.type == "tool_use"),
        input_tokens=usage.input_tokens + cached,
        output_tokens=usage.output_tokens,
    )


class AnthropicPython(Client):
    """Messages, blocking."""

    title, package, endpoint = "anthropic, Python", "anthropic", "/v1/messages"
    failure = "APIError"
    finishes = ("end_turn", "tool_use")

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.client = Anthropic(
            base_url=access.url, auth_token=access.key, max_retries=access.retries, timeout=TIMEOUT_S
        )

    def close(self) -> None:
        """Close its connections."""
        self.client.close()

    def create(self, model: str, said: object = None, **more: object) -> Message:
        """Create a message."""
        return self.client.messages.create(model=model, max_tokens=MOST, messages=said or ask(), **more)

    def gather(self, model: str, said: object = None, **more: object) -> Told:
        """Read a stream with the client's own accumulator."""
        with self.client.messages.stream(
            model=model, max_tokens=MOST, messages=said or ask(), **more
        ) as stream:
            pieces = sum(1 for _ in stream.text_stream)
            return told(stream.get_final_message(), pieces)

    def plain(self, model: str) -> Told:
        """Ask once."""
        return told(self.create(model))

    def stream(self, model: str) -> Told:
        """Read a stream."""
        return self.gather(model)

    def tool_round(self, model: str) -> Told:
        """Call a tool and give its result."""
        first = self.create(model, ask(ONE_CALL), tools=TOOLS)
        (call,) = told(first).calls
        result = {"type": "tool_result", "tool_use_id": call.id, "content": RESULT}
        said = [*ask(ONE_CALL), first.to_param(), {"role": "user", "content": [result]}]
        return Told(text=told(self.create(model, said, tools=TOOLS)).text, calls=(call,))

    def parallel_tools(self, model: str) -> Told:
        """Gather two calls out of a stream."""
        return self.gather(model, ask(TWO_CALLS), tools=TOOLS)

    def structured(self, model: str) -> Told:
        """Have the answer parsed into a class."""
        answer = self.client.messages.parse(
            model=model, max_tokens=MOST, messages=ask(), output_format=Verdict
        )
        return Told(parsed=answer.parsed_output.model_dump())

    def image(self, model: str) -> Told:
        """Show a picture."""
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        content = [{"type": "image", "source": source}, {"type": "text", "text": "what is this"}]
        return told(self.create(model, [{"role": "user", "content": content}]))

    def usage(self, model: str) -> Told:
        """Read the count at the end of a stream."""
        return self.gather(model)

    def cancel(self, model: str) -> Told:
        """Leave after the first event."""
        with self.client.messages.create(model=model, max_tokens=MOST, messages=ask(), stream=True) as stream:
            next(iter(stream))
        return Told()

    def models(self, _model: str) -> Told:
        """List the models."""
        return Told(names=tuple(model.id for model in self.client.models.list()))

    def count_tokens(self, model: str) -> Told:
        """Have a prompt counted."""
        counted = self.client.messages.count_tokens(model=model, messages=ask())
        return Told(input_tokens=counted.input_tokens)


class AnthropicAsync(AnthropicPython):
    """Messages, asynchronous."""

    title = "anthropic, Python, async"

    def __init__(self, access: Access) -> None:
        Client.__init__(self, access)
        self.loop = asyncio.new_event_loop()
        self.run = self.loop.run_until_complete
        self.client = AsyncAnthropic(
            base_url=access.url, auth_token=access.key, max_retries=access.retries, timeout=TIMEOUT_S
        )

    def close(self) -> None:
        """Close its connections and its loop."""
        self.run(self.client.close())
        self.loop.close()

    def create(self, model: str, said: object = None, **more: object) -> Message:
        """Create a message."""
        return self.run(super().create(model, said, **more))

    def gather(self, model: str, said: object = None, **more: object) -> Told:
        """Read a stream with the client's own accumulator."""

        async def read() -> Told:
            stream = self.client.messages.stream(model=model, max_tokens=MOST, messages=said or ask(), **more)
            async with stream as events:
                pieces = len([piece async for piece in events.text_stream])
                return told(await events.get_final_message(), pieces)

        return self.run(read())

    def structured(self, model: str) -> Told:
        """Have the answer parsed into a class."""
        work = self.client.messages.parse(model=model, max_tokens=MOST, messages=ask(), output_format=Verdict)
        return Told(parsed=self.run(work).parsed_output.model_dump())

    def cancel(self, model: str) -> Told:
        """Cancel the task that reads."""

        async def leave() -> None:
            stream = await self.client.messages.create(
                model=model, max_tokens=MOST, messages=ask(), stream=True
            )
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

    def count_tokens(self, model: str) -> Told:
        """Have a prompt counted."""
        counted = self.run(self.client.messages.count_tokens(model=model, messages=ask()))
        return Told(input_tokens=counted.input_tokens)


CLIENTS = (AnthropicPython, AnthropicAsync)
