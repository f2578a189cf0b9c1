"""Gemini's `generateContent`, on the Gemini API and on Vertex AI. Facts: the SDK's types, recordings of both.

An unknown name is 400 INVALID_ARGUMENT; names may be camelCase or, as protobuf's JSON allows and Google's own SDK
writes some, snake_case. On the Gemini API calls of tools have no ids; on Vertex
neither. Thoughts are signed, and so are calls: a call must come back with its signature.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from .model import CACHED, INPUT, OUTPUT, THOUGHTS, ModelError, Prompt, Reply, Tool
from .model import answer as ask
from .openai import VECTOR
from .server import Answer, Refused, Request, of_events, of_json
from .shape import NUMBER, Bad, between, check, one_key

SCHEMA = {"...": Any}
TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL", "TYPE_UNSPECIFIED"}
PART = one_key(
    {
        "text": str,
        "inlineData": {"mimeType": str, "data": str, "displayName?": str},
        "fileData": {"mimeType?": str, "fileUri": str, "displayName?": str},
        "functionCall": {"id?": str, "name": str, "args?": {"...": Any}},
        "functionResponse": {"id?": str, "name": str, "response": {"...": Any}, "parts?": Any},
    },
    {"thought?": bool, "thoughtSignature?": str, "mediaResolution?": Any, "videoMetadata?": Any},
)
CONTENT = {"role?": {"user", "model"}, "parts": [PART]}


def google_schema(value, path):
    """OpenAPI's subset, with types in capitals."""
    check(
        {
            "type?": TYPES,
            "format?": str,
            "title?": str,
            "description?": str,
            "nullable?": bool,
            "enum?": [str],
            "properties?": {"...": Any},
            "required?": [str],
            "items?": google_schema,
            "minItems?": Any,
            "maxItems?": Any,
            "minimum?": NUMBER,
            "maximum?": NUMBER,
            "anyOf?": [google_schema],
            "propertyOrdering?": [str],
            "default?": Any,
            "minLength?": Any,
            "maxLength?": Any,
            "pattern?": str,
            "example?": Any,
            "minProperties?": Any,
            "maxProperties?": Any,
        },
        value,
        path,
    )
    for name, inner in value.get("properties", {}).items():
        google_schema(inner, (*path, "properties", name))


DECLARATION = {
    "name": str,
    "description?": str,
    "parameters?": google_schema,
    "parametersJsonSchema?": SCHEMA,
    "response?": Any,
    "responseJsonSchema?": Any,
    "behavior?": str,
}
CONFIG = {
    "temperature?": between(0, 2),
    "topP?": NUMBER,
    "topK?": NUMBER,
    "candidateCount?": int,
    "maxOutputTokens?": int,
    "stopSequences?": [str],
    "presencePenalty?": NUMBER,
    "frequencyPenalty?": NUMBER,
    "seed?": int,
    "responseLogprobs?": bool,
    "logprobs?": int,
    "responseMimeType?": str,
    "responseSchema?": google_schema,
    "responseJsonSchema?": SCHEMA,
    "thinkingConfig?": {
        "includeThoughts?": bool,
        "thinkingBudget?": int,
        "thinkingLevel?": {"MINIMAL", "LOW", "MEDIUM", "HIGH"},
    },
    "responseModalities?": [str],
    "mediaResolution?": str,
    "speechConfig?": Any,
    "enableAffectiveDialog?": bool,
}
BODY = {
    "contents": [CONTENT],
    "systemInstruction?": {"role?": str, "parts": [PART]},
    "tools?": [
        one_key({"functionDeclarations": [DECLARATION], "googleSearch": Any, "codeExecution": Any, "urlContext": Any})
    ],
    "toolConfig?": {
        "functionCallingConfig?": {"mode?": {"AUTO", "ANY", "NONE", "VALIDATED"}, "allowedFunctionNames?": [str]}
    },
    "generationConfig?": CONFIG,
    "safetySettings?": [{"category": str, "threshold": str}],
    "cachedContent?": str,
    "labels?": {"...": str},
    "serviceTier?": str,
    "store?": bool,
}
ERRORS = {
    "400": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    "401": (401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    "429": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan."),
    "500": (500, "INTERNAL", "An internal error has occurred. Please retry."),
    "529": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "context": (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).",
    ),
}
# What stands in for the signature of a call that another model made.
FOREIGN_CALL = "skip_thought_signature_validator"
OPAQUE = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "labels", "properties"}
STOPS = {"end": "STOP", "stop": "STOP", "length": "MAX_TOKENS", "tools": "STOP"}


@dataclass(frozen=True)
class Rules:
    """Who answers, with which models."""

    name: str
    models: tuple[str, ...]

    @property
    def signature(self) -> str:
        """What it signs thoughts and calls with."""
        return base64.b64encode(b"signed by Gemini").decode()


def camel_case(value):
    """The same with names in camelCase, but for what is the app's own."""
    if isinstance(value, list):
        return [camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub("_([a-z])", lambda found: found[1].upper(), key): inner for key, inner in value.items()}
    return {key: inner if key in OPAQUE else camel_case(inner) for key, inner in named.items()}


def error(status: int, word: str, message: str, *details) -> Answer:
    """Google's envelope."""
    told = {"code": status, "message": message, "status": word}
    return of_json(status, {"error": {**told, "details": list(details)} if details else told})


def refuse(bad: Bad) -> Refused:
    """Google's 400 for it."""
    at = re.sub(r"\[?\.?[^.\[]+\]?$", "", bad.bracketed)
    message = f"Invalid value at '{bad.bracketed}': {bad.message}"
    if bad.kind == "unknown":
        message = f"Invalid JSON payload received. Unknown name \"{bad.path[-1]}\" at '{at}': Cannot find field."
    details = {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": at, "description": message}],
    }
    return Refused(error(400, "INVALID_ARGUMENT", message, details), f"{bad.bracketed} {bad.message}")


def answer(request: Request, rules: Rules, model: str, method: str) -> Answer:
    """Answers `{model}:{method}`."""
    if model not in rules.models:
        message = f"models/{model} is not found for API version v1beta"
        raise Refused(error(404, "NOT_FOUND", message), message)
    if method in ("batchEmbedContents", "embedContent", "predict"):
        return _embed(request, method)
    try:
        body = camel_case(json.loads(request.body))
        if method == "countTokens" and rules.name == "gemini" and set(body) == {"generateContentRequest"}:
            # The Gemini API counts a whole request only under this name; Vertex has its fields beside each other.
            body = body["generateContentRequest"]
            check({"model": str, **BODY}, body)
        else:
            check(BODY, body)
        _conversation(body, rules)
    except ValueError as broken:
        raise refuse(Bad("type", (), "Invalid JSON payload received.")) from broken
    except Bad as bad:
        raise refuse(bad) from bad
    if method == "countTokens":
        return of_json(200, {"totalTokens": INPUT, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": INPUT}]})
    return _generate(request, rules, model, method, body)


def _generate(request: Request, rules: Rules, model: str, method: str, body: dict) -> Answer:
    streamed = method == "streamGenerateContent"
    if not streamed and method != "generateContent":
        raise Refused(error(404, "NOT_FOUND", f"no method {method}"), f"no method {method}")
    if streamed and ("alt", "sse") not in request.query:
        request.remark("streamGenerateContent without alt=sse answers with one array")
    told = _told(body, rules, model)
    if isinstance(told, Answer):
        return told
    if not streamed:
        whole = told[0] if len(told) == 1 else _joined(told)
        count = (body.get("generationConfig") or {}).get("candidateCount", 1)
        candidates = [
            {**candidate, "index": index} for candidate in whole.get("candidates", []) for index in range(count)
        ]
        return of_json(200, {**whole, "candidates": candidates} if candidates else whole)
    return of_events(_pieces(told))


def _told(body: dict, rules: Rules, model: str) -> list[dict | None] | Answer:
    """The chunks of the answer; `None` breaks it, and an error inside comes as bare JSON."""
    include = ((body.get("generationConfig") or {}).get("thinkingConfig") or {}).get("includeThoughts", False)
    try:
        reply = ask(read(body), rules.name)
    except ModelError as asked:
        if asked.kind == "filter":
            feedback = {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": model, "responseId": "resp1"}
            return [{**feedback, "usageMetadata": {"promptTokenCount": INPUT, "totalTokenCount": INPUT}}]
        status, word, message = ERRORS[asked.kind]
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}
        return error(status, word, message, *([retry] if status == 429 else []))
    return _chunks(reply, rules, model, include)


def _chunks(reply: Reply, rules: Rules, model: str, include: bool) -> list[dict | None]:
    parts: list[dict] = [{"text": THOUGHTS, "thought": True}] if reply.thoughts and include else []
    parts += [{"text": chunk} for chunk in reply.chunks]
    signed = {"thoughtSignature": rules.signature}
    if reply.thoughts and reply.chunks:
        parts.append({"text": "", **signed})
    for index, call in enumerate(reply.calls):
        parts.append({"functionCall": {"name": call.name, "args": call.input}, **(signed if index == 0 else {})})
    usage = {
        "promptTokenCount": INPUT,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": OUTPUT - reply.reasoning,
        "totalTokenCount": INPUT + OUTPUT,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": INPUT}],
    }
    usage |= {"thoughtsTokenCount": reply.reasoning} if reply.reasoning else {}
    tail = {"usageMetadata": usage, "modelVersion": model, "responseId": "resp1"}
    chunks: list[dict | None] = [
        {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}], **tail} for part in parts
    ]
    if reply.breaks:
        late = {"error": {"code": 499, "message": "The operation was cancelled.", "status": "CANCELLED"}}
        return chunks + [None if reply.breaks == "cut" else late]
    chunks[-1]["candidates"][0]["finishReason"] = STOPS[reply.stop]
    return chunks


def _joined(chunks: list[dict | None]) -> dict:
    parts: list[dict] = []
    for chunk in (chunk for chunk in chunks if chunk and "candidates" in chunk):
        for part in chunk["candidates"][0]["content"]["parts"]:
            if parts and set(part) == set(parts[-1]) == {"text"}:
                parts[-1] = {"text": parts[-1]["text"] + part["text"]}
            else:
                parts.append(part)
    last = next(chunk for chunk in reversed(chunks) if chunk and "candidates" in chunk)
    candidate = {"finishReason": "STOP", **last["candidates"][0], "content": {"parts": parts, "role": "model"}}
    return {**last, "candidates": [candidate]}


def _pieces(chunks: list[dict | None]):
    for chunk in chunks:
        if chunk is None:
            yield None
        elif "error" in chunk:
            yield json.dumps(chunk, indent=2).encode() + b"\n"
        else:
            yield b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\r\n\r\n"


def _conversation(body: dict, rules: Rules) -> None:
    waiting: list[str] = []
    for index, content in enumerate(body["contents"]):
        calls = [part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part]
        results = [part["functionResponse"]["name"] for part in content["parts"] if "functionResponse" in part]
        if sorted(results) != sorted(waiting):
            raise Bad(
                "value",
                ("contents", index),
                "the number of function response parts must equal that of the function calls",
            )
        if calls and content.get("role") != "model" or results and content.get("role") == "model":
            raise Bad("value", ("contents", index, "role"), "please use a valid role: user, model")
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first and first.get("thoughtSignature") not in (rules.signature, FOREIGN_CALL):
            raise Bad(
                "value", ("contents", index), "function call is missing a thought_signature in functionCall parts"
            )
        if not content["parts"]:
            raise Bad("value", ("contents", index, "parts"), "must include at least one parts field")
        waiting = calls
    if not body["contents"]:
        raise Bad("value", ("contents",), "contents is not specified")
    for name, both in (("responseSchema", "responseJsonSchema"),):
        config = body.get("generationConfig") or {}
        if name in config and both in config:
            raise Bad("value", ("generationConfig",), f"{name} and {both} exclude each other")
        if (name in config or both in config) and config.get("responseMimeType") != "application/json":
            raise Bad("value", ("generationConfig", "responseMimeType"), "must be application/json with a schema")


def read(body: dict) -> Prompt:
    """What the model is asked."""
    config = body.get("generationConfig") or {}
    prompt = Prompt(limit=config.get("maxOutputTokens"), stops=config.get("stopSequences") or [])
    prompt.system = "".join(part.get("text", "") for part in (body.get("systemInstruction") or {}).get("parts", []))
    for content in body["contents"]:
        texts = [part["text"] for part in content["parts"] if "text" in part and not part.get("thought")]
        if content.get("role") != "model":
            prompt.results = [
                _result(part["functionResponse"]) for part in content["parts"] if "functionResponse" in part
            ]
            prompt.text = texts[-1] if texts else prompt.text
            prompt.media += [part["inlineData"]["mimeType"] for part in content["parts"] if "inlineData" in part]
            prompt.media += [part["fileData"]["fileUri"] for part in content["parts"] if "fileData" in part]
    for tool in body.get("tools") or []:
        for inner in tool.get("functionDeclarations", []):
            prompt.tools.append(Tool(inner["name"], inner.get("parametersJsonSchema") or inner.get("parameters") or {}))
    choosing = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    names = choosing.get("allowedFunctionNames") or []
    prompt.choice = {"ANY": names[0] if len(names) == 1 else "required", "NONE": "none"}.get(
        choosing.get("mode"), "auto"
    )
    thinking = config.get("thinkingConfig") or {}
    prompt.thinking = thinking.get("thinkingBudget", -1) != 0 and bool(thinking)
    if config.get("responseMimeType") == "application/json":
        prompt.schema = config.get("responseJsonSchema") or config.get("responseSchema") or {}
    return prompt


def _result(response: dict) -> str:
    value = response["response"]
    return (
        next(iter(value.values()))
        if len(value) == 1 and isinstance(next(iter(value.values())), str)
        else json.dumps(value)
    )


def _embed(request: Request, method: str) -> Answer:
    one = {"model?": str, "content": CONTENT, "taskType?": str, "title?": str, "outputDimensionality?": int}
    instance = {"content": str, "taskType?": str, "title?": str}
    shapes = {
        "batchEmbedContents": {"requests": [one]},
        "embedContent": one,
        "predict": {"instances": [instance], "parameters?": {"...": Any}},
    }
    body = camel_case(json.loads(request.body))
    try:
        check(shapes[method], body)
    except Bad as bad:
        raise refuse(bad) from bad
    if method == "batchEmbedContents":
        return of_json(200, {"embeddings": [{"values": VECTOR}] * len(body["requests"])})
    if method == "embedContent":
        return of_json(200, {"embedding": {"values": VECTOR}})
    statistics = {"truncated": False, "token_count": INPUT}
    return of_json(
        200, {"predictions": [{"embeddings": {"values": VECTOR, "statistics": statistics}}] * len(body["instances"])}
    )
