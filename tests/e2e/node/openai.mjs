// OpenAI's own client for Node, over Chat Completions.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

export function cases({ url, key, retries, words }) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: retries, timeout: 10_000 });
  const ask = (content) => [{ role: "user", content }];
  const tools = words.tools.map((name) => ({ type: "function", function: { name, parameters: words.city } }));
  const calls = (message) =>
    (message.tool_calls ?? []).map((c) => ({ id: c.id, name: c.function.name, arguments: JSON.parse(c.function.arguments) }));
  const told = ({ choices: [choice], usage }, pieces = 0) => ({
    text: choice.message.content ?? "",
    finish: choice.finish_reason,
    pieces,
    calls: calls(choice.message),
    input_tokens: usage?.prompt_tokens ?? 0,
    output_tokens: usage?.completion_tokens ?? 0,
  });
  const create = (model, content, more = {}) => client.chat.completions.create({ model, messages: ask(content), ...more });
  const gather = async (model, content, more = {}) => {
    let pieces = 0;
    const stream = client.chat.completions.stream({ model, messages: ask(content), ...more });
    stream.on("content", () => pieces++);
    return told(await stream.finalChatCompletion(), pieces);
  };
  return {
    plain: async (model) => told(await create(model, words.ask)),
    stream: (model) => gather(model, words.ask),
    tool_round: async (model) => {
      const first = await create(model, words.one_call, { tools });
      const { message } = first.choices[0];
      const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: words.result };
      const messages = [...ask(words.one_call), message, result];
      const second = await client.chat.completions.create({ model, messages, tools });
      return { ...told(second), calls: calls(message) };
    },
    parallel_tools: (model) => gather(model, words.two_calls, { tools }),
    structured: async (model) => {
      const shape = z.object({ safe: z.boolean(), why: z.string() });
      const answer = await client.chat.completions.parse({
        model,
        messages: ask(words.ask),
        response_format: zodResponseFormat(shape, "verdict"),
      });
      return { parsed: answer.choices[0].message.parsed };
    },
    image: async (model) =>
      told(
        await create(model, [
          { type: "text", text: "what is this" },
          { type: "image_url", image_url: { url: `data:image/png;base64,${words.png}` } },
        ]),
      ),
    usage: (model) => gather(model, words.ask, { stream_options: { include_usage: true } }),
    cancel: async (model) => {
      const stream = await create(model, words.ask, { stream: true });
      for await (const _ of stream) break;
      return {};
    },
    models: async () => {
      const names = [];
      for await (const model of client.models.list()) names.push(model.id);
      return { names };
    },
  };
}
