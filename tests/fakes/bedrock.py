"""Amazon Bedrock: Converse and InvokeModel for Anthropic's models. Facts: the service model of botocore, recordings.

`POST /model/{id}/converse`, `/converse-stream`, `/invoke`, `/invoke-with-response-stream`. Streams are binary frames.
Roles alternate. A `toolConfig` must be there when the conversation holds calls of tools.
"""

import base64
import binascii
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from . import eventstream, messages
from .message_shapes import COUNTED
from .model import CACHED, INPUT, OUTPUT, THOUGHT_CHUNKS, THOUGHTS, ModelError, Prompt, Reply, Tool
from .model import answer as ask
from .openai import VECTOR
from .server import Answer, Refused, Request, of_json
from .shape import NUMBER, Bad, check, one_key

CACHE_POINT = {"cachePoint": {"type": {"default"}, "ttl?": {"5m", "1h"}}}


def _bytes(value, path):
    check(str, value, path)
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise Bad("value", path, "is no base64") from error


SOURCE = one_key({"bytes": _bytes, "s3Location": {"uri": str, "bucketOwner?": str}, "text": str, "content": Any})
IMAGE = {"image": {"format": {"png", "jpeg", "gif", "webp"}, "source": SOURCE}}
DOCUMENT = {
    "document": {
        "format?": {"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"},
        "source": SOURCE,
        "name": str,
        "context?": str,
        "citations?": {"enabled": bool},
    }
}
RESULT = {
    "toolUseId": str,
    "status?": {"success", "error"},
    "type?": str,
    "content": [one_key({"text": str, "json": Any, **IMAGE, **DOCUMENT})],
}
REASONING = one_key({"reasoningText": {"text": str, "signature?": str}, "redactedContent": _bytes})
BLOCK = one_key(
    {
        "text": str,
        **IMAGE,
        **DOCUMENT,
        **CACHE_POINT,
        "toolResult": RESULT,
        "reasoningContent": REASONING,
        "toolUse": {"toolUseId": str, "name": str, "input": {"...": Any}},
        "guardContent": Any,
    }
)
SPEC = {"name": str, "description?": str, "inputSchema": {"json": {"...": Any}}, "strict?": bool}
CONVERSE = {
    "messages": [{"role": {"user", "assistant"}, "content": [BLOCK]}],
    "system?": [one_key({"text": str, **CACHE_POINT, "guardContent": Any})],
    "inferenceConfig?": {"maxTokens?": int, "temperature?": NUMBER, "topP?": NUMBER, "stopSequences?": [str]},
    "toolConfig?": {
        "tools": [one_key({"toolSpec": SPEC, **CACHE_POINT})],
        "toolChoice?": one_key({"auto": {}, "any": {}, "tool": {"name": str}}),
    },
    "outputConfig?": {
        "textFormat?": {
            "type": {"json_schema"},
            "structure": {"jsonSchema": {"schema": str, "name?": str, "description?": str}},
        }
    },
    "additionalModelRequestFields?": {"...": Any},
    "additionalModelResponseFieldPaths?": [str],
    "guardrailConfig?": {"...": Any},
    "performanceConfig?": {"latency": {"standard", "optimized"}},
    "serviceTier?": {"type": {"priority", "default", "flex", "reserved"}},
    "requestMetadata?": {"...": str},
    "promptVariables?": Any,
}
# What Anthropic's models take beside Converse's own fields.
MORE = {
    "thinking?": COUNTED["thinking?"],
    "top_k?": int,
    "anthropic_beta?": [str],
    "output_config?": COUNTED["output_config?"],
    "tool_choice?": COUNTED["tool_choice?"],
}
ERRORS = {
    "400": (400, "ValidationException", "The prompt asked for an error."),
    "401": (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
    "429": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    "500": (500, "InternalServerException", "The system encountered an unexpected error during processing."),
    "529": (503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
    "context": (400, "ValidationException", "Input is too long for requested model."),
}
STOPS = {
    "end": "end_turn",
    "stop": "stop_sequence",
    "length": "max_tokens",
    "tools": "tool_use",
    "filter": "content_filtered",
}
ENDPOINT = re.compile(r"/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream)")


@dataclass(frozen=True)
class Rules:
    """Who answers, with which models; `newer` ones take the newest version of Messages too."""

    name: str
    models: tuple[str, ...]
    newer: frozenset[str] = frozenset()

    @property
    def signature(self) -> str:
        """What it signs thoughts with."""
        return messages.CLAUDE_SIGNATURE


def error(status: int, word: str, message: str) -> Answer:
    """AWS' envelope: the word is in a header."""
    headers = {"x_amzn_errortype": f"{word}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    return of_json(status, {"message": message}, **headers)


def refuse(message: str) -> Refused:
    """A ValidationException."""
    return Refused(error(400, "ValidationException", message), message)


def answer(request: Request, rules: Rules) -> Answer:
    """Answers the four operations."""
    found = ENDPOINT.fullmatch(request.path)
    if not found or request.method != "POST":
        raise Refused(
            error(404, "UnknownOperationException", "no such operation"), f"no such operation: {request.path}"
        )
    if re.search(r"[:/]", found[1]):
        request.remark("the model in the path must be percent-encoded")
    model = unquote(found[1])
    if model not in rules.models:
        raise refuse(f"The provided model identifier is invalid: {model}")
    if found[2] == "invoke" and model.startswith("amazon.titan-embed"):
        return _embed(request)
    if found[2].startswith("invoke"):
        return _invoke(request, rules, model, found[2] != "invoke")
    return _converse(request, rules, found[2] != "converse")


def _converse(request: Request, rules: Rules, streamed: bool) -> Answer:
    body = _object(request)
    try:
        check(CONVERSE, body)
        check({**MORE}, body.get("additionalModelRequestFields", {}), ("additionalModelRequestFields",))
        _conversation(body, rules)
        prompt = read(body)
    except Bad as bad:
        raise refuse(f"{bad.bracketed} {bad.message}") from bad
    try:
        reply = ask(prompt, rules.name)
    except ModelError as asked:
        if asked.kind != "filter":
            return error(*ERRORS[asked.kind])
        reply = Reply(["I can't help with that."], stop="filter")
    if streamed:
        return Answer(200, {"content-type": "application/vnd.amazon.eventstream"}, _frames(reply, rules))
    message = {"role": "assistant", "content": _blocks(reply, rules)}
    told = {
        "output": {"message": message},
        "stopReason": STOPS[reply.stop],
        "usage": _usage(),
        "metrics": {"latencyMs": 12},
    }
    return of_json(200, told, x_amzn_requestid="req-1")


def _object(request: Request) -> dict:
    try:
        body = json.loads(request.body)
    except ValueError as broken:
        raise Refused(
            error(400, "SerializationException", "Unable to parse the body"), "the body is no JSON"
        ) from broken
    if not isinstance(body, dict):
        raise refuse("the body must be an object")
    return body


def _conversation(body: dict, rules: Rules) -> None:
    waiting: set[str] = set()
    expected = "user"
    for index, message in enumerate(body["messages"]):
        at, blocks = ("messages", index), message["content"]
        if message["role"] != expected:
            raise Bad(
                "value", at, "A conversation must alternate between user and assistant roles, and begin with a user's"
            )
        expected = "assistant" if expected == "user" else "user"
        results = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
        if set(results) != waiting or len(results) != len(waiting):
            raise Bad("value", at, f"Expected toolResult blocks for the ids {waiting}, found {results}")
        if not blocks or any(not block.get("text", "x").strip() for block in blocks):
            raise Bad("value", at, "The text field in the ContentBlock object is blank")
        for block in blocks:
            signature = block.get("reasoningContent", {}).get("reasoningText", {}).get("signature", rules.signature)
            if signature != rules.signature:
                raise Bad("value", at, "Invalid `signature` in `thinking` block")
        waiting = {block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block}
        if (waiting or results) and "toolConfig" not in body:
            raise Bad("value", ("toolConfig",), "must be defined when using toolUse and toolResult content blocks")
    if not body["messages"] or waiting:
        raise Bad("value", ("messages",), "A conversation must start with a user message and end with one")


def read(body: dict) -> Prompt:
    """What the model is asked."""
    config = body.get("inferenceConfig") or {}
    prompt = Prompt(limit=config.get("maxTokens"), stops=config.get("stopSequences") or [])
    prompt.system = "".join(block.get("text", "") for block in body.get("system") or [])
    for message in body["messages"]:
        blocks = message["content"]
        if message["role"] == "user":
            prompt.results = [_result(block["toolResult"]) for block in blocks if "toolResult" in block]
            texts = [block["text"] for block in blocks if "text" in block]
            prompt.text = texts[-1] if texts else prompt.text
            prompt.media += [f"image/{block['image']['format']}" for block in blocks if "image" in block]
            prompt.media += [_mime(block["document"]["format"]) for block in blocks if "document" in block]
    tools = body.get("toolConfig") or {"tools": []}
    prompt.tools = [
        Tool(tool["toolSpec"]["name"], tool["toolSpec"]["inputSchema"]["json"])
        for tool in tools["tools"]
        if "toolSpec" in tool
    ]
    choice = tools.get("toolChoice") or {"auto": {}}
    prompt.choice = choice["tool"]["name"] if "tool" in choice else "required" if "any" in choice else "auto"
    thinking = (body.get("additionalModelRequestFields") or {}).get("thinking") or {}
    prompt.thinking = thinking.get("type") in ("enabled", "adaptive")
    form = (body.get("outputConfig") or {}).get("textFormat")
    if form:
        try:
            prompt.schema = json.loads(form["structure"]["jsonSchema"]["schema"])
        except ValueError as error_:
            raise Bad("value", ("outputConfig",), "the schema must be JSON in a string") from error_
    return prompt


def _result(result: dict) -> str:
    told = "".join(block.get("text") or json.dumps(block.get("json", "")) for block in result["content"])
    return f"error {told}" if result.get("status") == "error" else told


def _mime(form: str) -> str:
    return {"pdf": "application/pdf", "txt": "text/plain"}.get(form, form)


def _usage() -> dict:
    return {
        "inputTokens": INPUT - CACHED,
        "outputTokens": OUTPUT,
        "totalTokens": INPUT + OUTPUT,
        "cacheReadInputTokens": CACHED,
        "cacheReadInputTokenCount": CACHED,
        "cacheWriteInputTokens": 0,
    }


def _blocks(reply: Reply, rules: Rules) -> list[dict]:
    blocks: list[dict] = []
    if reply.thoughts:
        blocks.append({"reasoningContent": {"reasoningText": {"text": THOUGHTS, "signature": rules.signature}}})
    if reply.chunks:
        blocks.append({"text": reply.text})
    return blocks + [
        {"toolUse": {"toolUseId": f"tooluse_{uuid.uuid4().hex[:22]}", "name": call.name, "input": call.input}}
        for call in reply.calls
    ]


def _frames(reply: Reply, rules: Rules):
    yield eventstream.event("messageStart", {"role": "assistant"})
    for index, block in enumerate(_blocks(reply, rules)):
        at = {"contentBlockIndex": index}
        if "toolUse" in block:
            start = {key: block["toolUse"][key] for key in ("toolUseId", "name")}
            yield eventstream.event("contentBlockStart", {**at, "start": {"toolUse": start}})
        for delta in _deltas(reply, block):
            whole = eventstream.event("contentBlockDelta", {**at, "delta": delta})
            # Frames do not align with the pieces of the transport.
            yield whole[:7]
            yield whole[7:]
        if reply.breaks:
            yield (
                None
                if reply.breaks == "cut"
                else eventstream.exception("modelStreamErrorException", "The model failed.")
            )
            return
        yield eventstream.event("contentBlockStop", at)
    yield eventstream.event("messageStop", {"stopReason": STOPS[reply.stop]})
    yield eventstream.event("metadata", {"usage": _usage(), "metrics": {"latencyMs": 12}})


def _deltas(reply: Reply, block: dict) -> list[dict]:
    if "reasoningContent" in block:
        signature = block["reasoningContent"]["reasoningText"]["signature"]
        thoughts = [{"reasoningContent": {"text": chunk}} for chunk in THOUGHT_CHUNKS]
        return [*thoughts, {"reasoningContent": {"signature": signature}}]
    if "text" in block:
        return [{"text": chunk} for chunk in reply.chunks]
    whole = json.dumps(block["toolUse"]["input"])
    return [{"toolUse": {"input": piece}} for piece in ("", whole[: len(whole) // 2], whole[len(whole) // 2 :])]


def _invoke(request: Request, rules: Rules, model: str, streamed: bool) -> Answer:
    newer = {messages.LATEST} if model in rules.newer else set()
    claude = messages.Rules(rules.name, rules.models, frozenset({"bedrock-2023-05-31"} | newer))
    try:
        body = messages.checked(request, claude, model)
    except Refused as refused:
        raise refuse(f"Malformed input request: {refused.message}") from refused
    try:
        reply = ask(messages.read(body), rules.name)
    except ModelError as asked:
        if asked.kind != "filter":
            return error(*ERRORS[asked.kind])
        reply = Reply(stop="refusal")
    if not streamed:
        counts = {"x_amzn_bedrock_input_token_count": str(INPUT), "x_amzn_bedrock_output_token_count": str(OUTPUT)}
        return of_json(200, messages.unary(reply, model, claude), **counts)
    return Answer(
        200, {"content-type": "application/vnd.amazon.eventstream"}, _chunks(messages.events(reply, model, claude))
    )


def _embed(request: Request) -> Answer:
    try:
        body = _object(request)
        check({"inputText": str, "dimensions?": {256, 512, 1024}, "normalize?": bool, "embeddingTypes?": [str]}, body)
    except Bad as bad:
        raise refuse(f"Malformed input request: {bad.bracketed} {bad.message}") from bad
    return of_json(
        200, {"embedding": VECTOR, "inputTextTokenCount": INPUT}, x_amzn_bedrock_input_token_count=str(INPUT)
    )


def _chunks(events):
    for piece in events:
        if piece is None:
            yield None
            return
        if piece["type"] == "error":
            yield eventstream.exception("modelStreamErrorException", piece["error"]["message"])
            return
        if piece["type"] == "message_stop":
            piece = {
                **piece,
                "amazon-bedrock-invocationMetrics": {
                    "inputTokenCount": INPUT,
                    "outputTokenCount": OUTPUT,
                    "invocationLatency": 12,
                    "firstByteLatency": 5,
                },
            }
        yield eventstream.event("chunk", {"bytes": base64.b64encode(json.dumps(piece).encode()).decode()})
