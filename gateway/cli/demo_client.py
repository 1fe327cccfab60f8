"""The demo's client: the official OpenAI library, pointed at the gateway and nothing else changed."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import msgspec
import openai
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam

from gateway.cli.demo_prompts import PROMPTS, TOOL, DemoPrompt
from gateway.upstreams.scripted import Scenario, Vendors

if TYPE_CHECKING:
    from collections.abc import Mapping

PACE = Scenario(delay_first_ms=40, delay_event_ms=4)
OUTAGE = Scenario(status=503, delay_first_ms=20)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What came back for one prompt, as a client sees it."""

    prompt: DemoPrompt
    tier: str
    model: str
    reason: str
    attempts: int
    cost_usd: str
    savings_usd: str
    text: str
    error: str = ""


class Watcher(Protocol):
    """Is shown the prompts as they are sent and answered."""

    def asking(self, prompt: DemoPrompt) -> None:
        """Show what is being asked."""
        ...

    def answered(self, shown: Shown) -> None:
        """Show what came back."""
        ...


class Sender:
    """Sends the demo's prompts, one after the other."""

    def __init__(self, base_url: str, keys: Mapping[str, str], vendors: Vendors) -> None:
        self._vendors = vendors
        self._clients = {
            team: openai.AsyncOpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0)
            for team, key in keys.items()
        }

    async def __aenter__(self) -> Self:
        """Pace the vendors as real ones would be."""
        self._vendors.script("*", PACE)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the clients."""
        for client in self._clients.values():
            await client.close()

    async def send_all(self, watcher: Watcher) -> None:
        """Send every prompt and show what comes back."""
        for prompt in PROMPTS:
            watcher.asking(prompt)
            self._vendors.script("glm-4.5", OUTAGE if prompt.vendor_fails else PACE)
            watcher.answered(await self._send(prompt))

    async def _send(self, prompt: DemoPrompt) -> Shown:
        try:
            return await (self._stream(prompt) if prompt.mode == "stream" else self._whole(prompt))
        except openai.APIError as error:
            return Shown(
                prompt=prompt,
                tier="-",
                model="-",
                reason="refused",
                attempts=0,
                cost_usd="0",
                savings_usd="0",
                text="",
                error=str(error),
            )

    async def _whole(self, prompt: DemoPrompt) -> Shown:
        tools: list[ChatCompletionToolUnionParam] = [TOOL] if prompt.mode == "tools" else []  # type: ignore[list-item]
        raw = await self._clients[prompt.team].chat.completions.with_raw_response.create(
            model=prompt.model, messages=_messages(prompt), max_tokens=400, tools=tools or openai.omit
        )
        message = raw.parse().choices[0].message
        calls = [c.function.name for c in message.tool_calls or () if c.type == "function"]
        return _shown(prompt, raw.headers, raw.headers, message.content or f"calls {', '.join(calls)}")

    async def _stream(self, prompt: DemoPrompt) -> Shown:
        raw = await self._clients[prompt.team].chat.completions.with_raw_response.create(
            model=prompt.model,
            messages=_messages(prompt),
            max_tokens=400,
            stream=True,
            stream_options={"include_usage": True},
        )
        text = ""
        receipt: dict[str, object] = {}
        async for chunk in raw.parse():
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            receipt = (chunk.model_extra or {}).get("gateway") or receipt
        shown = {f"x-gateway-{name.replace('_', '-')}": str(value) for name, value in receipt.items()}
        return _shown(prompt, raw.headers, shown, text)


def _messages(prompt: DemoPrompt) -> list[ChatCompletionMessageParam]:
    return [
        {"role": "system", "content": "You are a careful software engineer."},
        {"role": "user", "content": prompt.text},
    ]


def _shown(prompt: DemoPrompt, headers: Mapping[str, str], receipt: Mapping[str, str], text: str) -> Shown:
    return Shown(
        prompt=prompt,
        tier=headers["x-gateway-tier"],
        model=headers["x-gateway-model"],
        reason=headers["x-gateway-reason"],
        attempts=int(headers["x-gateway-attempts"]),
        cost_usd=receipt.get("x-gateway-cost-usd", "?"),
        savings_usd=receipt.get("x-gateway-savings-usd", "?"),
        text=text,
    )
