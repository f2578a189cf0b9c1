"""Does the scenarios with the packages openai and anthropic of Python, and prints what it saw, one line of JSON a cell.

Reads `{"url", "fakes", "cells": [{"target", "scenario"}]}` from its standard input. `drive.mjs` is the same in Node.
"""

import io
import json
import sys
from urllib.request import urlopen

import anthropic
import openai

from tests.sdk.runner import forget_the_machine

RESULT = "sunny"


class OpenAI:
    """Chat Completions, Responses and OpenAI's other endpoints."""

    def __init__(self, url: str, retries: int):
        self.client = openai.OpenAI(base_url=url, api_key="not-needed", max_retries=retries)

    def request(self, target: str, scenario: dict) -> dict:
        """The first request of a scenario."""
        content = scenario.get("content", scenario.get("ask"))
        messages = [*scenario.get("before", []), {"role": "user", "content": content}]
        if scenario["api"] == "completions":
            return {"model": target, "prompt": scenario["ask"], **scenario.get("more", {})}
        name = "input" if scenario["api"] == "responses" else "messages"
        return {"model": target, name: messages, **scenario.get("more", {})}

    def create(self, scenario: dict, request: dict) -> tuple[dict, object]:
        """One call: what is seen, and the SDK's own answer."""
        if scenario["api"] == "responses":
            answer = self.client.responses.create(**request)
            return self.seen_response(answer), answer
        if scenario["api"] == "completions":
            answer = self.client.completions.create(**request)
            return {"text": answer.choices[0].text}, answer
        answer = self.client.chat.completions.create(**request)
        return self.seen_chat(answer), answer

    def stream(self, scenario: dict, request: dict) -> tuple[dict, object]:
        """One streamed call, gathered by the SDK's own helper where it has one."""
        if scenario["api"] == "responses":
            with self.client.responses.stream(**request) as stream:
                answer = stream.get_final_response()
            return self.seen_response(answer), answer
        if scenario["api"] == "completions":
            chunks = list(self.client.completions.create(**request, stream=True))
            return {"text": "".join(choice.text for chunk in chunks for choice in chunk.choices)}, chunks
        with self.client.chat.completions.stream(**request) as stream:
            answer = stream.get_final_completion()
        return self.seen_chat(answer), answer

    def broken(self, scenario: dict, request: dict, texts: list[str]) -> None:
        """A stream that breaks; what came before it is put into `texts`."""
        if scenario["api"] == "responses":
            for event in self.client.responses.create(**request, stream=True):
                if event.type == "response.output_text.delta":
                    texts.append(event.delta)
                if event.type in ("error", "response.failed"):
                    raise RuntimeError(f"told by {event.type}")
            return
        for chunk in self.client.chat.completions.create(**request, stream=True):
            texts += [choice.delta.content or "" for choice in chunk.choices]

    def seen_chat(self, answer) -> dict:
        """A completion in plain terms."""
        choice, usage = answer.choices[0], answer.usage
        calls = [[call.function.name, json.loads(call.function.arguments)] for call in choice.message.tool_calls or []]
        seen = {
            "text": choice.message.content or "",
            "stop": choice.finish_reason,
            "calls": calls,
            "choices": len(answer.choices),
        }
        return {**seen, "usage": usage and {"input": usage.prompt_tokens, "output": usage.completion_tokens}}

    def seen_response(self, answer) -> dict:
        """A response in plain terms."""
        calls = [[item.name, json.loads(item.arguments)] for item in answer.output if item.type == "function_call"]
        calls += [[item.name, item.input] for item in answer.output if item.type == "custom_tool_call"]
        usage = answer.usage and {"input": answer.usage.input_tokens, "output": answer.usage.output_tokens}
        return {"text": answer.output_text, "stop": answer.status, "calls": calls, "usage": usage}

    def with_results(self, scenario: dict, request: dict, answer) -> dict:
        """The request that gives a result for each call."""
        if scenario["api"] == "responses":
            results = [
                {"type": f"{item.type}_output", "call_id": item.call_id, "output": RESULT}
                for item in answer.output
                if item.type.endswith("_call")
            ]
            said = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in answer.output]
            return {**request, "input": [*request["input"], *said, *results]}
        said = answer.choices[0].message
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in said.tool_calls
        ]
        signed = [
            {**call, **{key: value for key, value in (each.model_extra or {}).items() if key == "extra_content"}}
            for call, each in zip(calls, said.tool_calls, strict=True)
        ]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": RESULT} for call in calls]
        assistant = {"role": "assistant", "content": said.content or "", "tool_calls": signed}
        return {**request, "messages": [*request["messages"], assistant, *results]}

    def other(self, does: str, target: str, ask: str) -> dict:
        """OpenAI's further endpoints."""
        if does == "embed":
            return {"vector": self.client.embeddings.create(model=f"{target}-embeddings", input=ask).data[0].embedding}
        if does == "images":
            return {"text": self.client.images.generate(model=target, prompt=ask).data[0].b64_json[:8]}
        if does == "moderations":
            flagged = self.client.moderations.create(model=target, input=ask).results[0].flagged
            return {"text": "flagged" if flagged else ""}
        if does == "speech":
            return {"text": self.client.audio.speech.create(model=target, voice="alloy", input=ask).content.decode()}
        file = ("a.wav", io.BytesIO(ask.encode()), "audio/wav")
        return {"text": self.client.audio.transcriptions.create(model=target, file=file).text}


class Anthropic:
    """Messages."""

    def __init__(self, url: str, retries: int):
        self.client = anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="not-needed", max_retries=retries)

    def request(self, target: str, scenario: dict) -> dict:
        """The first request of a scenario."""
        messages = [{"role": "user", "content": scenario.get("content", scenario.get("ask"))}]
        return {"model": target, "max_tokens": 4000, "messages": messages, **scenario.get("more", {})}

    def create(self, scenario: dict, request: dict) -> tuple[dict, object]:
        """One call: what is seen, and the SDK's own answer."""
        answer = self.client.messages.create(**request)
        return self.seen(answer), answer

    def stream(self, scenario: dict, request: dict) -> tuple[dict, object]:
        """One streamed call, gathered by the SDK's own helper."""
        with self.client.messages.stream(**request) as stream:
            answer = stream.get_final_message()
        return self.seen(answer), answer

    def broken(self, scenario: dict, request: dict, texts: list[str]) -> None:
        """A stream that breaks; what came before it is put into `texts`."""
        with self.client.messages.stream(**request) as stream:
            for text in stream.text_stream:
                texts.append(text)
            stream.get_final_message()

    def seen(self, answer) -> dict:
        """A message in plain terms."""
        usage = answer.usage
        counted = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        calls = [[block.name, block.input] for block in answer.content if block.type == "tool_use"]
        text = "".join(block.text for block in answer.content if block.type == "text")
        usage = {"input": counted, "output": usage.output_tokens}
        return {"text": text, "stop": answer.stop_reason, "calls": calls, "usage": usage}

    def with_results(self, scenario: dict, request: dict, answer) -> dict:
        """The request that gives a result for each call."""
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": RESULT}
            for block in answer.content
            if block.type == "tool_use"
        ]
        messages = [*request["messages"], answer.to_param(), {"role": "user", "content": results}]
        return {**request, "messages": messages}

    def other(self, does: str, target: str, ask: str) -> dict:
        """Counting."""
        counted = self.client.messages.count_tokens(model=target, messages=[{"role": "user", "content": ask}])
        return {"count": counted.input_tokens}


def drive(sdk: OpenAI | Anthropic, target: str, scenario: dict) -> dict:
    """Does one scenario and says what was seen."""
    does, request, texts = scenario.get("does", "create"), sdk.request(target, scenario), []
    try:
        if does == "broken":
            sdk.broken(scenario, request, texts)
            return {"text": "".join(texts)}
        if does == "tools":
            ask = sdk.stream if scenario.get("stream") else sdk.create
            first, answer = ask(scenario, request)
            second, _ = ask(scenario, sdk.with_results(scenario, request, answer))
            return {**second, "calls": first["calls"]}
        if does in ("create", "stream", "error"):
            return (sdk.stream if does == "stream" else sdk.create)(scenario, request)[0]
        return sdk.other(does, target, scenario["ask"])
    except Exception as error:
        return {"error": _told(error), "text": "".join(texts)}


def _told(error: Exception) -> dict:
    response = getattr(error, "response", None)
    body = getattr(error, "body", None)
    return {
        "class": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "message": str(error)[:600],
        "body": body if isinstance(body, dict) else None,
        "retryAfter": response.headers.get("retry-after") if response is not None else None,
    }


def main() -> None:
    """Does all cells that the standard input names."""
    forget_the_machine()
    work = json.load(sys.stdin)
    clients: dict = {}
    for cell in work["cells"]:
        scenario = cell["scenario"]
        kind = (Anthropic if scenario["api"] == "messages" else OpenAI, scenario.get("retries", 0))
        if kind not in clients:
            clients[kind] = kind[0](work["url"], kind[1])
        seen = drive(clients[kind], cell["target"], scenario)
        with urlopen(f"{work['fakes']}/_fakes/violations") as answer:
            broken = [violation["message"] for violation in json.load(answer)]
        print(json.dumps({"index": cell["index"], "seen": seen, "broken": broken}), flush=True)


if __name__ == "__main__":
    main()
