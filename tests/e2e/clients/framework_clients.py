"""LangChain, LlamaIndex and LiteLLM; each is imported when it is first used, since that takes seconds."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from client import ASK, ONE_CALL, PNG, RESULT, TWO_CALLS, Called, Client, Told
from openai_clients import NO_COUNT, TIMEOUT_S, TOOLS, Verdict, ask, picture, told, told_stream

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

NO_LIST = {"models": "it has no such call"}
PICTURE = [
    {"type": "text", "text": "what is this"},
    {"type": "image", "base64": PNG, "mime_type": "image/png"},
]


def told_message(message: AIMessage, pieces: int = 0) -> Told:
    """Return what LangChain's message says."""
    usage, facts = message.usage_metadata, message.response_metadata
    return Told(
        text=str(message.text),
        pieces=pieces,
        finish=str(facts.get("finish_reason") or facts.get("stop_reason") or facts.get("status") or ""),
        calls=tuple(Called(call["name"], call["args"], call["id"] or "") for call in message.tool_calls),
        input_tokens=usage["input_tokens"] if usage else 0,
        output_tokens=usage["output_tokens"] if usage else 0,
    )


class LangChainOpenAI(Client):
    """ChatOpenAI over Chat Completions."""

    title, package, endpoint = "LangChain ChatOpenAI", "langchain-openai", "/v1/chat/completions"
    failure = "APIError"
    lacks = NO_LIST | NO_COUNT
    options: ClassVar[dict[str, object]] = {"stream_usage": True}

    def model(self, name: str) -> BaseChatModel:
        """Return the chat model of a name."""
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(
            model=name, base_url=f"{self.access.url}/v1", api_key=self.access.key,
            max_retries=self.access.retries, timeout=TIMEOUT_S, **self.options,
        )  # fmt: skip

    def plain(self, model: str) -> Told:
        """Invoke once."""
        return told_message(self.model(model).invoke(ASK))

    def stream(self, model: str) -> Told:
        """Add the chunks of a stream up."""
        return self._gather(self.model(model).stream(ASK))

    def tool_round(self, model: str) -> Told:
        """Call a tool and give its result."""
        from langchain_core.messages import HumanMessage, ToolMessage

        bound = self.model(model).bind_tools(TOOLS)
        first = bound.invoke(ONE_CALL)
        result = ToolMessage(RESULT, tool_call_id=first.tool_calls[0]["id"])
        second = bound.invoke([HumanMessage(ONE_CALL), first, result])
        return Told(text=str(second.text), calls=told_message(first).calls)

    def parallel_tools(self, model: str) -> Told:
        """Gather two calls out of a stream."""
        return self._gather(self.model(model).bind_tools(TOOLS).stream(TWO_CALLS))

    def structured(self, model: str) -> Told:
        """Have the answer parsed into a class."""
        return Told(parsed=self.model(model).with_structured_output(Verdict).invoke(ASK).model_dump())

    def image(self, model: str) -> Told:
        """Show a picture in LangChain's own block."""
        from langchain_core.messages import HumanMessage

        return told_message(self.model(model).invoke([HumanMessage(content=PICTURE)]))

    def usage(self, model: str) -> Told:
        """Read the count of a stream."""
        return self._gather(self.model(model).stream(ASK))

    def cancel(self, model: str) -> Told:
        """Leave after the first chunk."""
        stream = self.model(model).stream(ASK)
        next(stream)
        stream.close()
        return Told()

    @staticmethod
    def _gather(chunks: Iterable[AIMessage]) -> Told:
        whole, pieces = None, 0
        for chunk in chunks:
            pieces += bool(chunk.text)
            whole = chunk if whole is None else whole + chunk
        assert whole is not None
        return told_message(whole, pieces)


class LangChainResponses(LangChainOpenAI):
    """ChatOpenAI over Responses."""

    title, endpoint = "LangChain ChatOpenAI, Responses", "/v1/responses"
    finishes = ("completed", "completed")
    options: ClassVar[dict[str, object]] = {"use_responses_api": True, "store": False}


class LangChainAnthropic(LangChainOpenAI):
    """ChatAnthropic."""

    title, package, endpoint = "LangChain ChatAnthropic", "langchain-anthropic", "/v1/messages"
    finishes = ("end_turn", "tool_use")
    lacks = NO_LIST

    def model(self, name: str) -> BaseChatModel:
        """Return the chat model of a name."""
        from langchain_anthropic import ChatAnthropic

        return ChatAnthropic(
            model=name, base_url=self.access.url, api_key=self.access.key,
            max_retries=self.access.retries, timeout=TIMEOUT_S,
        )  # fmt: skip

    def count_tokens(self, model: str) -> Told:
        """Have a prompt counted."""
        from langchain_core.messages import HumanMessage

        return Told(input_tokens=self.model(model).get_num_tokens_from_messages([HumanMessage(ASK)]))


class LlamaIndex(Client):
    """OpenAILike."""

    title, package, endpoint = "LlamaIndex OpenAILike", "llama-index-llms-openai-like", "/v1/chat/completions"
    failure = "APIError"
    lacks = NO_LIST | NO_COUNT

    def model(self, name: str) -> object:
        """Return the LLM of a name."""
        from llama_index.llms.openai_like import OpenAILike

        return OpenAILike(
            model=name, api_base=f"{self.access.url}/v1", api_key=self.access.key, timeout=TIMEOUT_S,
            max_retries=self.access.retries, is_chat_model=True, is_function_calling_model=True,
            should_use_structured_outputs=True, additional_kwargs={"max_tokens": 2_000},
        )  # fmt: skip

    def plain(self, model: str) -> Told:
        """Chat once."""
        return told(self.model(model).chat([self._message(ASK)]).raw)

    def stream(self, model: str) -> Told:
        """Read a stream."""
        return told_stream(chunk.raw for chunk in self.model(model).stream_chat([self._message(ASK)]))

    def tool_round(self, model: str) -> Told:
        """Call a tool and give its result."""
        from llama_index.core.llms import ChatMessage

        llm, said = self.model(model), [self._message(ONE_CALL)]
        first = llm.chat(said, tools=TOOLS)
        (call,) = told(first.raw).calls
        result = ChatMessage(role="tool", content=RESULT, additional_kwargs={"tool_call_id": call.id})
        second = llm.chat([*said, first.message, result], tools=TOOLS)
        return Told(text=str(second.message.content), calls=(call,))

    def parallel_tools(self, model: str) -> Told:
        """Gather two calls out of a stream."""
        stream = self.model(model).stream_chat([self._message(TWO_CALLS)], tools=TOOLS)
        return told_stream(chunk.raw for chunk in stream)

    def structured(self, model: str) -> Told:
        """Have the answer parsed into a class."""
        return Told(
            parsed=self.model(model).as_structured_llm(Verdict).chat([self._message(ASK)]).raw.model_dump()
        )

    def image(self, model: str) -> Told:
        """Show a picture."""
        from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock

        url = f"data:image/png;base64,{PNG}"
        shown = ChatMessage(role="user", blocks=[TextBlock(text="what is this"), ImageBlock(url=url)])
        return told(self.model(model).chat([shown]).raw)

    def usage(self, model: str) -> Told:
        """Read the count of an answer."""
        return self.plain(model)

    def cancel(self, model: str) -> Told:
        """Leave after the first chunk."""
        stream = self.model(model).stream_chat([self._message(ASK)])
        next(stream)
        stream.close()
        del stream
        gc.collect()  # it leaves the connection to the collector
        return Told()

    @staticmethod
    def _message(text: str) -> object:
        from llama_index.core.llms import ChatMessage

        return ChatMessage(role="user", content=text)


def _litellm() -> ModuleType:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would be fetched at import
    import litellm

    return litellm


class LiteLLM(Client):
    """litellm.completion as a client of OpenAI's dialect."""

    title, package, endpoint = "litellm, `openai/`", "litellm", "/v1/chat/completions"
    failure = "APIError"
    lacks = NO_LIST | NO_COUNT

    def complete(self, model: str, messages: list[dict[str, object]], **more: object) -> object:
        """Complete once."""
        litellm = _litellm()
        return litellm.completion(
            model=f"openai/{model}", messages=messages, api_base=f"{self.access.url}/v1",
            api_key=self.access.key, max_retries=self.access.retries, timeout=TIMEOUT_S, _skip_mcp_handler=True, **more,
        )  # fmt: skip

    def plain(self, model: str) -> Told:
        """Ask once."""
        return told(self.complete(model, ask()))

    def stream(self, model: str) -> Told:
        """Read a stream."""
        return told_stream(self.complete(model, ask(), stream=True))

    def tool_round(self, model: str) -> Told:
        """Call a tool and give its result."""
        first = self.complete(model, ask(ONE_CALL), tools=TOOLS)
        (call,) = told(first).calls
        result = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
        said = [*ask(ONE_CALL), first.choices[0].message.model_dump(), result]
        return Told(text=told(self.complete(model, said, tools=TOOLS)).text, calls=(call,))

    def parallel_tools(self, model: str) -> Told:
        """Gather two calls out of a stream."""
        return told_stream(self.complete(model, ask(TWO_CALLS), tools=TOOLS, stream=True))

    def structured(self, model: str) -> Told:
        """Ask by a class and read the text by it."""
        text = told(self.complete(model, ask(), response_format=Verdict)).text
        return Told(parsed=Verdict.model_validate_json(text).model_dump())

    def image(self, model: str) -> Told:
        """Show a picture."""
        return told(self.complete(model, picture()))

    def usage(self, model: str) -> Told:
        """Ask for the count in a stream."""
        return told_stream(self.complete(model, ask(), stream=True, stream_options={"include_usage": True}))

    def cancel(self, model: str) -> Told:
        """Leave after the first chunk."""

        async def leave() -> None:
            stream = await _litellm().acompletion(
                model=f"openai/{model}", messages=ask(), api_base=f"{self.access.url}/v1",
                api_key=self.access.key, timeout=TIMEOUT_S, stream=True,
            )  # fmt: skip
            assert isinstance(stream, AsyncIterator)
            await anext(stream)
            await stream.aclose()

        asyncio.run(leave())
        return Told()


class LiteLLMAnthropic(LiteLLM):
    """litellm.completion as a client of Anthropic's dialect."""

    title, endpoint = "litellm, `anthropic/`", "/v1/messages"
    lacks = LiteLLM.lacks | {"retry_after": "it raises the error, or tries again by a schedule of its own"}

    def complete(self, model: str, messages: list[dict[str, object]], **more: object) -> object:
        """Complete once."""
        litellm = _litellm()
        return litellm.completion(
            model=f"anthropic/{model}", messages=messages, api_base=self.access.url,
            api_key=self.access.key, max_retries=self.access.retries, timeout=TIMEOUT_S, _skip_mcp_handler=True, **more,
        )  # fmt: skip


CLIENTS = (
    LangChainOpenAI,
    LangChainResponses,
    LangChainAnthropic,
    LlamaIndex,
    LiteLLM,
    LiteLLMAnthropic,
)
