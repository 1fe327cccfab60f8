// Talks to the gateway with OpenAI's own client and prints what it got as one JSON object.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const ask = (content) => [{ role: "user", content }];
const model = process.argv[2];
const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];

const { data: plain, response } = await client.chat.completions
  .create({ model, messages: ask("sort these lines") })
  .withResponse();

let streamed = "";
let usage = null;
let receipt = null;
const stream = await client.chat.completions.create({
  model,
  messages: ask("sort these lines"),
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
  receipt = chunk.gateway ?? receipt;
}

const runner = client.chat.completions.stream({ model, messages: ask("call get_weather"), tools });
const called = await runner.finalChatCompletion();

let refused = null;
try {
  await client.chat.completions.create({ model: "nope", messages: ask("hi") });
} catch (error) {
  refused = { name: error.constructor.name, status: error.status, code: error.code };
}

console.log(
  JSON.stringify({
    plain: plain.choices[0].message.content,
    tier: response.headers.get("x-gateway-tier"),
    streamed,
    usage,
    receipt,
    finish: called.choices[0].finish_reason,
    arguments: called.choices[0].message.tool_calls[0].function.arguments,
    refused,
  }),
);
