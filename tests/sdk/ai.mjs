// One call, one stream and one tool with the AI SDK of Vercel, in each dialect that it speaks.
// Reads {"url", "targets"} from its standard input; prints one line of JSON a target and dialect.

import { readFileSync } from "node:fs";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";

const work = JSON.parse(readFileSync(0, "utf8"));
const openai = createOpenAI({ baseURL: work.url, apiKey: "not-needed" });
const anthropic = createAnthropic({ baseURL: work.url, apiKey: "not-needed" });
const weather = tool({
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `sunny in ${city}`,
});

/** What the model says to a call, to a stream, and with a tool. */
async function ask(model) {
  // What a provider would keep is of no use to another.
  const more = { model, maxRetries: 0, providerOptions: { openai: { store: false } } };
  const whole = await generateText({ ...more, prompt: "say hello there" });
  let streamed = "";
  for await (const chunk of streamText({ ...more, prompt: "say hello there", onError: ({ error }) => { throw error; } }).textStream)
    streamed += chunk;
  const called = await generateText({ ...more, prompt: "call weather", tools: { weather }, stopWhen: isStepCount(3) });
  return [whole.text, streamed, called.text];
}

for (const target of work.targets) {
  const models = { "Chat Completions": openai.chat(target), Responses: openai.responses(target), Messages: anthropic(target) };
  for (const [dialect, model] of Object.entries(models)) {
    const name = `${target}, ${dialect}`;
    try {
      console.log(JSON.stringify({ name, seen: await ask(model) }));
    } catch (error) {
      console.log(JSON.stringify({ name, error: `${error.message} ${error.responseBody ?? ""}` }));
    }
  }
}
