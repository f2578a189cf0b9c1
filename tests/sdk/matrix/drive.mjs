// Does the scenarios with the packages openai and @anthropic-ai/sdk of Node, and prints what it saw, one line of JSON a cell.
// Reads {"url", "fakes", "cells": [{"target", "scenario"}]} from its standard input. drive.py is the same in Python.

import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";

const RESULT = "sunny";

/** Chat Completions, Responses and OpenAI's other endpoints. */
class OpenAIDriver {
  constructor(url, retries) {
    this.client = new OpenAI({ baseURL: url, apiKey: "not-needed", maxRetries: retries });
  }

  /** The first request of a scenario. */
  request(target, scenario) {
    if (scenario.api === "completions") return { model: target, prompt: scenario.ask, ...scenario.more };
    const content = scenario.content ?? scenario.ask;
    const messages = [...(scenario.before ?? []), { role: "user", content }];
    return { model: target, [scenario.api === "responses" ? "input" : "messages"]: messages, ...scenario.more };
  }

  /** One call: what is seen, and the SDK's own answer. */
  async create(scenario, request) {
    if (scenario.api === "responses") return this.seenResponse(await this.client.responses.create(request));
    if (scenario.api === "completions") {
      const answer = await this.client.completions.create(request);
      return [{ text: answer.choices[0].text }, answer];
    }
    return this.seenChat(await this.client.chat.completions.create(request));
  }

  /** One streamed call, gathered by the SDK's own helper where it has one. */
  async stream(scenario, request) {
    if (scenario.api === "responses") return this.seenResponse(await this.client.responses.stream(request).finalResponse());
    if (scenario.api === "completions") {
      let text = "";
      for await (const chunk of await this.client.completions.create({ ...request, stream: true }))
        for (const choice of chunk.choices) text += choice.text;
      return [{ text }, null];
    }
    return this.seenChat(await this.client.chat.completions.stream(request).finalChatCompletion());
  }

  /** A stream that breaks; what came before it is put into `texts`. */
  async broken(scenario, request, texts) {
    const endpoint = scenario.api === "responses" ? this.client.responses : this.client.chat.completions;
    for await (const event of await endpoint.create({ ...request, stream: true })) {
      if (event.type === "response.output_text.delta") texts.push(event.delta);
      if (["error", "response.failed"].includes(event.type)) throw new Error(`told by ${event.type}`);
      for (const choice of event.choices ?? []) texts.push(choice.delta.content ?? "");
    }
  }

  seenChat(answer) {
    const { message, finish_reason: stop } = answer.choices[0];
    const calls = (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
    const usage = answer.usage && { input: answer.usage.prompt_tokens, output: answer.usage.completion_tokens };
    return [{ text: message.content ?? "", stop, calls, choices: answer.choices.length, usage }, answer];
  }

  seenResponse(answer) {
    const called = answer.output.filter((item) => item.type === "function_call").map((item) => [item.name, JSON.parse(item.arguments)]);
    const custom = answer.output.filter((item) => item.type === "custom_tool_call").map((item) => [item.name, item.input]);
    const usage = answer.usage && { input: answer.usage.input_tokens, output: answer.usage.output_tokens };
    return [{ text: answer.output_text, stop: answer.status, calls: [...called, ...custom], usage }, answer];
  }

  /** The request that gives a result for each call. */
  withResults(scenario, request, answer) {
    if (scenario.api === "responses") {
      const calls = answer.output.filter((item) => item.type.endsWith("_call"));
      const results = calls.map((item) => ({ type: `${item.type}_output`, call_id: item.call_id, output: RESULT }));
      const said = answer.output.map(({ parsed_arguments: _, ...item }) => item);
      return { ...request, input: [...request.input, ...said, ...results] };
    }
    const { content, tool_calls: calls } = answer.choices[0].message;
    const said = calls.map(({ id, type, function: { name, arguments: text }, extra_content: extra }) => ({
      id, type, function: { name, arguments: text }, ...(extra && { extra_content: extra }),
    }));
    const results = calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: RESULT }));
    const assistant = { role: "assistant", content: content ?? "", tool_calls: said };
    return { ...request, messages: [...request.messages, assistant, ...results] };
  }

  /** OpenAI's further endpoints. */
  async other(does, target, ask) {
    const { client } = this;
    if (does === "embed") {
      const answer = await client.embeddings.create({ model: `${target}-embeddings`, input: ask });
      return { vector: answer.data[0].embedding };
    }
    if (does === "images") return { text: (await client.images.generate({ model: target, prompt: ask })).data[0].b64_json.slice(0, 8) };
    if (does === "moderations") {
      const answer = await client.moderations.create({ model: target, input: ask });
      return { text: answer.results[0].flagged ? "flagged" : "" };
    }
    if (does === "speech") return { text: await (await client.audio.speech.create({ model: target, voice: "alloy", input: ask })).text() };
    const file = await toFile(Buffer.from(ask), "a.wav", { type: "audio/wav" });
    return { text: (await client.audio.transcriptions.create({ model: target, file })).text };
  }
}

/** Messages. */
class AnthropicDriver {
  constructor(url, retries) {
    this.client = new Anthropic({ baseURL: url.replace(/\/v1$/, ""), apiKey: "not-needed", maxRetries: retries });
  }

  /** The first request of a scenario. */
  request(target, scenario) {
    const messages = [{ role: "user", content: scenario.content ?? scenario.ask }];
    return { model: target, max_tokens: 4000, messages, ...scenario.more };
  }

  /** One call: what is seen, and the SDK's own answer. */
  async create(_scenario, request) {
    return this.seen(await this.client.messages.create(request));
  }

  /** One streamed call, gathered by the SDK's own helper. */
  async stream(_scenario, request) {
    return this.seen(await this.client.messages.stream(request).finalMessage());
  }

  /** A stream that breaks; what came before it is put into `texts`. */
  async broken(_scenario, request, texts) {
    for await (const event of await this.client.messages.create({ ...request, stream: true }))
      if (event.delta?.type === "text_delta") texts.push(event.delta.text);
  }

  seen(answer) {
    const { input_tokens: fresh, cache_read_input_tokens: read, cache_creation_input_tokens: written } = answer.usage;
    const calls = answer.content.filter((block) => block.type === "tool_use").map((block) => [block.name, block.input]);
    const text = answer.content.filter((block) => block.type === "text").map((block) => block.text).join("");
    const usage = { input: fresh + (read ?? 0) + (written ?? 0), output: answer.usage.output_tokens };
    return [{ text, stop: answer.stop_reason, calls, usage }, answer];
  }

  /** The request that gives a result for each call. */
  withResults(_scenario, request, answer) {
    const calls = answer.content.filter((block) => block.type === "tool_use");
    const results = calls.map((block) => ({ type: "tool_result", tool_use_id: block.id, content: RESULT }));
    const said = { role: "assistant", content: answer.content };
    return { ...request, messages: [...request.messages, said, { role: "user", content: results }] };
  }

  /** Counting. */
  async other(_does, target, ask) {
    const counted = await this.client.messages.countTokens({ model: target, messages: [{ role: "user", content: ask }] });
    return { count: counted.input_tokens };
  }
}

/** Does one scenario and says what was seen. */
async function drive(url, target, scenario) {
  const sdk = new (scenario.api === "messages" ? AnthropicDriver : OpenAIDriver)(url, scenario.retries ?? 0);
  const does = scenario.does ?? "create";
  const request = sdk.request(target, scenario);
  const texts = [];
  try {
    if (does === "broken") {
      await sdk.broken(scenario, request, texts);
      return { text: texts.join("") };
    }
    if (does === "tools") {
      const ask = scenario.stream ? sdk.stream : sdk.create;
      const [first, answer] = await ask.call(sdk, scenario, request);
      const [second] = await ask.call(sdk, scenario, sdk.withResults(scenario, request, answer));
      return { ...second, calls: first.calls };
    }
    if (["create", "stream", "error"].includes(does)) {
      const [seen] = await (does === "stream" ? sdk.stream : sdk.create).call(sdk, scenario, request);
      return seen;
    }
    return await sdk.other(does, target, scenario.ask);
  } catch (error) {
    const body = error.error ?? null;
    const told = { class: error.constructor.name, status: error.status ?? null, message: String(error.message).slice(0, 600), body };
    return { error: { ...told, retryAfter: error.headers?.get?.("retry-after") ?? null }, text: texts.join("") };
  }
}

const work = JSON.parse(readFileSync(0, "utf8"));
for (const { index, target, scenario } of work.cells) {
  const seen = await drive(work.url, target, scenario);
  const broken = (await (await fetch(`${work.fakes}/_fakes/violations`)).json()).map((violation) => violation.message);
  console.log(JSON.stringify({ index, seen, broken }));
}
