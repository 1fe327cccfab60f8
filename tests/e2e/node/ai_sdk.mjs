// Vercel's AI SDK over each of its three providers that reach a gateway.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";

export const PROVIDERS = {
  responses: ({ url, key }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses,
  chat: ({ url, key }) =>
    createOpenAICompatible({ name: "gateway", baseURL: `${url}/v1`, apiKey: key, includeUsage: true, supportsStructuredOutputs: true }),
  messages: ({ url, key }) => createAnthropic({ baseURL: `${url}/v1`, authToken: key }),
};

/** Returns the cases over one provider. */
export function over(provider, task) {
  const { words, retries } = task;
  const options = (model, prompt) => ({
    model: PROVIDERS[provider](task)(model),
    prompt,
    maxRetries: retries,
    maxOutputTokens: 2000,
    providerOptions: { openai: { store: false } },
    onError: () => {},
  });
  const calls = (made) => made.map((c) => ({ id: c.toolCallId, name: c.toolName, arguments: c.input }));
  const told = (answer, pieces = 0) => ({
    text: answer.text,
    finish: answer.finishReason,
    pieces,
    calls: calls(answer.toolCalls),
    input_tokens: answer.usage.inputTokens ?? 0,
    output_tokens: answer.usage.outputTokens ?? 0,
  });
  const declared = (execute) =>
    Object.fromEntries(
      words.tools.map((name) => [name, tool({ description: name, inputSchema: jsonSchema(words.city), execute })]),
    );
  const gather = async (asked) => {
    const result = streamText(asked);
    let pieces = 0;
    for await (const part of result.fullStream) {
      if (part.type === "error") throw part.error;
      pieces += part.type === "text-delta" ? 1 : 0;
    }
    return told(
      { text: await result.text, finishReason: await result.finishReason, toolCalls: await result.toolCalls, usage: await result.usage },
      pieces,
    );
  };
  return {
    plain: async (model) => told(await generateText(options(model, words.ask))),
    stream: (model) => gather(options(model, words.ask)),
    tool_round: async (model) => {
      const tools = declared(async () => words.result);
      const answer = await generateText({ ...options(model, words.one_call), tools, stopWhen: stepCountIs(2) });
      return { ...told(answer), calls: calls(answer.steps[0].toolCalls) };
    },
    parallel_tools: (model) => gather({ ...options(model, words.two_calls), tools: declared() }),
    structured: async (model) => {
      const schema = jsonSchema(words.verdict);
      const answer = await generateText({ ...options(model, words.ask), output: Output.object({ schema }) });
      return { parsed: answer.output };
    },
    image: async (model) => {
      const content = [
        { type: "text", text: "what is this" },
        { type: "file", data: words.png, mediaType: "image/png" },
      ];
      const { prompt, ...rest } = options(model, "");
      return told(await generateText({ ...rest, messages: [{ role: "user", content }] }));
    },
    usage: (model) => gather(options(model, words.ask)),
    cancel: async (model) => {
      const leaving = new AbortController();
      const result = streamText({ ...options(model, words.ask), abortSignal: leaving.signal });
      for await (const part of result.fullStream) {
        if (part.type === "text-delta") leaving.abort();
        if (part.type === "abort") break;
      }
      return {};
    },
  };
}
