"""Anthropic Messages, on its own host and on others that take the same body. Facts: the SDK's types and recordings.

Strict, as the real one: unknown fields are refused at any depth, `max_tokens` is required, each call of a tool has its
result in the next message, before any other block. From version 2026-10-21 on `temperature`, `top_p` and `top_k` are
refused, and messages of the system may stand between the others.
"""

import base64
import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Callable

from .message_shapes import BODY, COUNTED, ROLES, SYSTEM
from .model import CACHED, INPUT, OUTPUT, THOUGHT_CHUNKS, THOUGHTS, ModelError, Prompt, Reply, Tool
from .model import answer as ask
from .server import Answer, Refused, Request, event, of_events, of_json
from .shape import Bad, check, tagged

BETAS = {"context-management-2025-06-27": {"context_management?": {"edits?": [{"...": Any}]}}}
CLAUDE_SIGNATURE = base64.b64encode(b"signed by Claude").decode()
LATEST = "2026-10-21"
VERSIONS = frozenset({"2023-06-01", LATEST})
SAMPLING = ("temperature", "top_p", "top_k")
ERRORS = {
    "400": (400, "invalid_request_error", "messages: the prompt asked for an error"),
    "401": (401, "authentication_error", "invalid x-api-key"),
    "429": (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    "500": (500, "api_error", "Internal server error"),
    "529": (529, "overloaded_error", "Overloaded"),
    "context": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
}


@dataclass(frozen=True)
class Rules:
    """Where the body is taken: who answers, which models, and which `anthropic_version` a body holds, if one."""

    name: str
    models: tuple[str, ...]
    versions: frozenset[str] = frozenset()
    more: dict = field(default_factory=dict)
    own: Callable[[Request, dict], str | None] = lambda request, body: None

    @property
    def signature(self) -> str:
        """What it signs thoughts with; no other's is taken. Claude's hosts take each other's."""
        is_claude = self.name in ("anthropic", "foundry", "vertex", "bedrock")
        return CLAUDE_SIGNATURE if is_claude else base64.b64encode(f"signed by {self.name}".encode()).decode()


def error_body(kind: str, message: str) -> dict:
    """Anthropic's envelope."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def refuse(bad: Bad) -> Refused:
    """Anthropic's 400 for it."""
    words = {"unknown": "Extra inputs are not permitted", "missing": "Field required"}.get(bad.kind, bad.message)
    message = f"{bad.dotted}: {words}"
    return Refused(of_json(400, error_body("invalid_request_error", message), request_id="req_1"), message)


def authenticated(request: Request, key: str) -> None:
    """The key in one header: `x-api-key`, or as a bearer token, as the SDKs of 2026-11 have it; and the version."""
    given = [request.header("x-api-key"), (request.header("authorization") or "").removeprefix("Bearer ") or None]
    if sorted(filter(None, given)) != [key]:
        raise Refused(
            of_json(401, error_body("authentication_error", "invalid x-api-key")), "the key is not in one header"
        )
    versioned(request)


def versioned(request: Request) -> None:
    """The header that says which version of the API is meant."""
    if request.header("anthropic-version") not in VERSIONS:
        raise refuse(Bad("value", ("anthropic-version",), f"header must be one of {', '.join(VERSIONS)}"))


def parse(request: Request) -> dict:
    """The body as an object."""
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise refuse(Bad("type", ("body",), "is not valid JSON")) from error
    if not isinstance(body, dict):
        raise refuse(Bad("type", ("body",), "must be an object"))
    return body


def checked(request: Request, rules: Rules, model: str | None, shape: dict = BODY) -> dict:
    """The body, when it obeys every rule; `model` where the path says it."""
    body = parse(request)
    fields = {**({} if rules.versions else {"model": str}), **shape, **rules.more}
    if rules.versions:
        fields |= {"anthropic_version": rules.versions, "anthropic_beta?": [str]}
    if "bedrock-2023-05-31" in rules.versions:
        fields.pop("stream?", None)
    if LATEST in (body.get("anthropic_version"), request.header("anthropic-version")):
        fields = {name: inner for name, inner in fields.items() if name.rstrip("?") not in SAMPLING}
        fields["messages"] = [tagged("role", {**ROLES, **SYSTEM})]
    for beta in (request.header("anthropic-beta") or "").split(","):
        fields |= BETAS.get(beta.strip(), {})
    try:
        check(fields, body)
        _conversation(_merged(body["messages"]), rules.signature)
        _thinking(body)
    except Bad as bad:
        raise refuse(bad) from bad
    if complaint := rules.own(request, body):
        raise refuse(Bad("value", ("provider",), complaint))
    name = model or body["model"]
    if name not in rules.models:
        raise Refused(of_json(404, error_body("not_found_error", f"model: {name}")), f"there is no model {name}")
    return body


def _merged(messages: list[dict]) -> list[dict]:
    """Messages of one role that follow each other are one; their content is blocks. Those of the system stand apart."""
    merged: list[dict] = []
    for message in (message for message in messages if message["role"] != "system"):
        text = [{"type": "text", "text": message["content"]}]
        blocks = message["content"] if isinstance(message["content"], list) else text
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": message["role"], "content": list(blocks)})
    return merged


def _conversation(messages: list[dict], signature: str) -> None:
    if not messages:
        raise Bad("value", ("messages",), "at least one message is required")
    if messages[0]["role"] != "user":
        raise Bad("value", ("messages",), 'first message must use the "user" role')
    waiting: set[str] = set()
    for index, message in enumerate(messages):
        blocks = message["content"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if set(results) != waiting or len(results) != len(set(results)):
            raise Bad(
                "value", ("messages", index), f"`tool_use` ids {waiting} and `tool_result` ids {results} do not match"
            )
        if results and any(block["type"] != "tool_result" for block in blocks[: len(results)]):
            raise Bad("value", ("messages", index, "content"), "tool_result blocks must come first")
        empty = [block for block in blocks if block["type"] == "text" and not block["text"].strip()]
        if not blocks or empty:
            raise Bad("value", ("messages", index), "text content blocks must contain non-whitespace text")
        forged = [block for block in blocks if block["type"] == "thinking" and block["signature"] != signature]
        if forged:
            raise Bad("value", ("messages", index, "content", 0), "Invalid `signature` in `thinking` block")
        waiting = {block["id"] for block in blocks if block["type"] == "tool_use"}
    if waiting:
        raise Bad("value", ("messages",), f"`tool_use` ids were found without `tool_result` blocks: {waiting}")


def _thinking(body: dict) -> None:
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled" and thinking["budget_tokens"] >= body.get("max_tokens", 1e9):
        raise Bad("value", ("max_tokens",), "must be greater than `thinking.budget_tokens`")
    if thinking.get("type") in ("enabled", "adaptive") and body.get("temperature", 1) != 1:
        raise Bad("value", ("temperature",), "may only be set to 1 when thinking is enabled")
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    if thinking.get("type") in ("enabled", "adaptive") and forced:
        raise Bad("value", ("tool_choice",), "Thinking may not be enabled when tool_choice forces tool use.")


def read(body: dict) -> Prompt:
    """What the model is asked."""
    prompt = Prompt(limit=body.get("max_tokens"), stops=body.get("stop_sequences") or [])
    system = body.get("system") or ""
    for told in [system, *(message["content"] for message in body["messages"] if message["role"] == "system")]:
        prompt.system += told if isinstance(told, str) else "".join(block["text"] for block in told)
    for message in _merged(body["messages"]):
        blocks = message["content"]
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        if message["role"] == "user":
            prompt.results = [_result(block) for block in blocks if block["type"] == "tool_result"]
            prompt.text = texts[-1] if texts else prompt.text
            prompt.media += [_media(block["source"]) for block in blocks if block["type"] in ("image", "document")]
    prompt.tools = [Tool(tool["name"], tool["input_schema"]) for tool in body.get("tools") or []]
    choice = body.get("tool_choice") or {"type": "auto"}
    prompt.choice = choice.get("name") or {"any": "required"}.get(choice["type"], choice["type"])
    prompt.thinking = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    form = (body.get("output_config") or {}).get("format")
    prompt.schema = form["schema"] if form else None
    return prompt


def _result(block: dict) -> str:
    content = block.get("content") or ""
    told = (
        content
        if isinstance(content, str)
        else "".join(inner.get("text") or f"[{_media(inner['source'])}]" for inner in content)
    )
    return f"error {told}" if block.get("is_error") else told


def _media(source: dict) -> str:
    return source.get("media_type") or source.get("url") or source.get("file_id") or "content"


def answer(request: Request, rules: Rules, model: str | None = None) -> Answer:
    """Answers `POST /v1/messages`; `model` where the path says it."""
    body = checked(request, rules, model)
    reply = told(body, rules)
    if isinstance(reply, Answer):
        return reply
    name = model or body["model"]
    if body.get("stream"):
        pieces = (piece if piece is None else event(piece, piece["type"]) for piece in events(reply, name, rules))
        return of_events(pieces, request_id="req_1")
    return of_json(200, unary(reply, name, rules), request_id="req_1")


def told(body: dict, rules: Rules) -> Reply | Answer:
    """What the model says, or the error that the prompt asked for."""
    try:
        return ask(read(body), rules.name)
    except ModelError as error:
        if error.kind == "filter":
            return Reply(stop="refusal")
        status, kind, message = ERRORS[error.kind]
        headers = {"retry_after": "1"} if status == 429 else {}
        return of_json(status, error_body(kind, message), request_id="req_1", **headers)


def count(request: Request, rules: Rules, model: str | None = None) -> Answer:
    """Answers `POST /v1/messages/count_tokens`."""
    checked(request, rules, model, COUNTED)
    return of_json(200, {"input_tokens": INPUT}, request_id="req_1")


def models(rules: Rules) -> Answer:
    """Answers `GET /v1/models`."""
    rows = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2026-02-19T00:00:00Z"}
        for name in rules.models
    ]
    return of_json(200, {"data": rows, "has_more": False, "first_id": rows[0]["id"], "last_id": rows[-1]["id"]})


def _usage(output: int) -> dict:
    return {
        "input_tokens": INPUT - CACHED,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": CACHED,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def _stop(reply: Reply) -> dict:
    reason = {"end": "end_turn", "stop": "stop_sequence", "length": "max_tokens", "tools": "tool_use"}.get(
        reply.stop, reply.stop
    )
    details = {"stop_details": {"type": "refusal", "category": "cyber", "explanation": "This request was blocked."}}
    return {"stop_reason": reason, "stop_sequence": reply.sequence, **(details if reason == "refusal" else {})}


def blocks(reply: Reply, rules: Rules) -> list[dict]:
    """The blocks of the answer."""
    found: list[dict] = (
        [{"type": "thinking", "thinking": THOUGHTS, "signature": rules.signature}] if reply.thoughts else []
    )
    if reply.chunks:
        found.append({"type": "text", "text": reply.text})
    calls = [
        {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex[:20]}", "name": call.name, "input": call.input}
        for call in reply.calls
    ]
    return found + calls


def unary(reply: Reply, model: str, rules: Rules) -> dict:
    """The whole answer."""
    return {
        "model": model,
        "id": "msg_01Fake",
        "type": "message",
        "role": "assistant",
        "content": blocks(reply, rules),
        **_stop(reply),
        "usage": _usage(OUTPUT),
    }


def events(reply: Reply, model: str, rules: Rules):
    """The events of a stream; `None` breaks it."""
    start = {
        **unary(reply, model, rules),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(1),
    }
    yield {"type": "message_start", "message": start}
    for index, block in enumerate(blocks(reply, rules)):
        empty = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}, "tool_use": {"input": {}}}
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **empty[block["type"]]}}
        if index == 0:
            yield {"type": "ping"}
        for delta in _deltas(reply, block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        if reply.breaks == "cut":
            yield None
            return
        if reply.breaks == "late":
            yield {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
            return
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": _stop(reply),
        "usage": {key: value for key, value in _usage(OUTPUT).items() if key.endswith("tokens")},
    }
    yield {"type": "message_stop"}


def _deltas(reply: Reply, block: dict) -> list[dict]:
    if block["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": chunk} for chunk in THOUGHT_CHUNKS]
        return [*thoughts, {"type": "signature_delta", "signature": block["signature"]}]
    if block["type"] == "text":
        return [{"type": "text_delta", "text": chunk} for chunk in reply.chunks]
    whole = json.dumps(block["input"])
    pieces = ["", whole[: len(whole) // 2], whole[len(whole) // 2 :]] if block["input"] else [""]
    return [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
