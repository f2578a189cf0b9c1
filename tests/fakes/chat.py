"""Chat Completions, as OpenAI has it and as each vendor bends it. Facts: the vendors' specifications and recordings."""

import json
import uuid
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Callable

from . import envelopes
from .chat_shapes import OPENAI
from .model import CACHED, INPUT, OUTPUT, THOUGHT_CHUNKS, THOUGHTS, ModelError, Prompt, Reply, Tool
from .model import answer as ask
from .server import Answer, Refused, Request, event, of_events, of_json
from .shape import Bad, check

CREATED = 1790000000
# Who reads over these gives the same answer.
HINTS = {
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "prediction",
}


@dataclass(frozen=True)
class Rules:
    """How a vendor bends Chat Completions."""

    name: str
    models: tuple[str, ...]
    fields: dict = field(default_factory=lambda: OPENAI)
    unknown: str = "refuse"
    ignored: frozenset = frozenset()
    envelope: Callable = envelopes.openai
    invalid_status: int = 400
    rate_limit_status: int = 429
    own: Callable[[Request, dict], str | None] = lambda request, body: None
    reasoning: str | None = None
    usage: str = "asked"
    extras: dict = field(default_factory=dict)
    usage_extras: dict = field(default_factory=dict)
    finish: dict = field(default_factory=dict)
    call_ids: str = "call_{}"
    whole_calls: bool = False
    comments: int = 0
    filters: bool = False
    refuses: frozenset = frozenset()
    more: dict = field(default_factory=dict)
    padding: dict = field(default_factory=dict)


def answer(request: Request, rules: Rules, body: dict | None = None, model: str | None = None) -> Answer:
    """Answers `POST /chat/completions`; `model` where the path says it."""
    body = parse(request, rules) if body is None else body
    _validate(request, rules, body, model)
    try:
        reply = ask(read(body), rules.name)
    except ModelError as error:
        return failing(rules, error)
    name = model or body["model"]
    if body.get("stream"):
        return of_events(_stream(reply, rules, body, name), x_request_id="req_1")
    return of_json(200, _unary(reply, rules, name, body.get("n") or 1), x_request_id="req_1", openai_processing_ms="12")


def parse(request: Request, rules: Rules) -> dict:
    """The body as an object."""
    if not (request.header("content-type") or "").startswith("application/json"):
        raise refuse(rules, Bad("type", (), "the content-type must be application/json"))
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise refuse(rules, Bad("type", (), "We could not parse the JSON body of your request.")) from error
    if not isinstance(body, dict):
        raise refuse(rules, Bad("type", (), "the body must be an object"))
    return body


def refuse(rules: Rules, bad: Bad) -> Refused:
    """The vendor's own 400 (or 422) for it."""
    status, param = rules.invalid_status, bad.bracketed or None
    if rules.name == "mistral":
        kind = "extra_forbidden" if bad.kind == "unknown" else bad.kind
        words = {"unknown": "Extra inputs are not permitted"}.get(bad.kind, bad.message)
        told = {"detail": [{"type": kind, "loc": ["body", *bad.path], "msg": words, "input": None}]}
        return Refused(of_json(422, told), f"{bad.bracketed} {bad.message}")
    code = {"unknown": "unknown_parameter", "missing": "missing_required_parameter", "value": "invalid_value"}
    words = {"unknown": f"Unknown parameter: '{param}'.", "missing": f"Missing required parameter: '{param}'."}
    message = words.get(bad.kind, f"Invalid value for '{param}': {bad.message}.")
    told = rules.envelope(status, "invalid_request_error", code.get(bad.kind, "invalid_type"), message, param)
    return Refused(of_json(status, told), f"{bad.bracketed} {bad.message}")


def _validate(request: Request, rules: Rules, body: dict, model: str | None) -> None:
    fields = rules.fields if model is None else {**rules.fields, "model?": str}
    if model is not None:
        fields.pop("model", None)
    _check_shape(request, rules, body, fields)
    for name in rules.ignored & body.keys():
        request.remark(f"{name} is ignored in silence")
    for name in rules.refuses & body.keys():
        message = f"Unsupported parameter: '{name}' is not supported with this model."
        told = rules.envelope(400, "invalid_request_error", "unsupported_parameter", message, name)
        raise Refused(of_json(400, told), message)
    if (model or body["model"]) not in rules.models:
        message = f"The model `{model or body['model']}` does not exist or you do not have access to it."
        told = rules.envelope(404, "invalid_request_error", "model_not_found", message)
        raise Refused(of_json(404, told), message)
    if complaint := _conversation(rules, body["messages"]) or rules.own(request, body):
        raise refuse(rules, Bad("value", ("messages",), complaint))


def _check_shape(request: Request, rules: Rules, body: dict, fields: dict) -> None:
    rest = deepcopy(body)
    # Who says its thoughts in a field of its own takes them back there.
    for message in rest["messages"] if isinstance(rest.get("messages"), list) else []:
        if isinstance(message, dict) and message.get("role") == "assistant":
            message.pop(rules.reasoning, None)
    while True:
        try:
            return check(fields, rest)
        except Bad as bad:
            if bad.kind != "unknown" or rules.unknown != "ignore":
                raise refuse(rules, bad) from bad
            if bad.bracketed not in HINTS:
                request.remark(f"{bad.bracketed} is ignored in silence")
            _remove(rest, bad.path)


def _remove(value, path: tuple) -> None:
    for key in path[:-1]:
        value = value[key]
    del value[path[-1]]


def _conversation(rules: Rules, messages: list[dict]) -> str | None:
    """Results of tools answer the calls before them, and each call has its result."""
    if not messages:
        return "[] is too short - 'messages'"
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            identifier = message.get("tool_call_id")
            if identifier not in open_calls:
                return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            open_calls.discard(identifier)
        elif open_calls:
            return f"an assistant message with 'tool_calls' must be followed by tool messages; missing: {open_calls}"
        open_calls |= {call.get("id") for call in message.get("tool_calls") or []}
    if rules.name == "mistral" and any(
        len(str(call.get("id"))) != 9 for message in messages for call in message.get("tool_calls") or []
    ):
        return "Tool call id must be a-z, A-Z, 0-9, with a length of 9."
    return "the last message's calls have no results" if open_calls else None


def read(body: dict) -> Prompt:
    """What the model is asked."""
    messages = body["messages"]
    prompt = Prompt(limit=body.get("max_completion_tokens") or body.get("max_tokens"))
    for message in messages:
        for part in message.get("content") if isinstance(message.get("content"), list) else []:
            if "image_url" in part:
                url = part["image_url"]["url"] if isinstance(part["image_url"], dict) else part["image_url"]
                prompt.media.append(url[5:].split(";")[0] if url.startswith("data:") else url)
            if part.get("type") in ("file", "document_url"):
                prompt.media.append("application/pdf")
        if message["role"] in ("system", "developer"):
            prompt.system += text_of(message["content"])
        if message["role"] == "user":
            prompt.text = last_text(message["content"])
    while messages and messages[-1]["role"] == "tool":
        prompt.results.insert(0, text_of(messages[-1]["content"]))
        messages = messages[:-1]
    _read_tools(prompt, body)
    stop = body.get("stop") or []
    prompt.stops = [stop] if isinstance(stop, str) else stop
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    prompt.thinking = (effort or "none") != "none" or bool((body.get("reasoning") or {}).get("max_tokens"))
    form = body.get("response_format") or {}
    if form.get("type") in ("json_object", "json_schema"):
        prompt.schema = (form.get("json_schema") or {}).get("schema") or {}
    return prompt


def _read_tools(prompt: Prompt, body: dict) -> None:
    for tool in body.get("tools") or []:
        inner = tool.get("function") or tool.get("custom")
        prompt.tools.append(Tool(inner["name"], inner.get("parameters") or {}, tool.get("type") == "custom"))
    choice = body.get("tool_choice") or "auto"
    named = (
        choice
        if isinstance(choice, str)
        else (choice.get("function") or choice.get("custom") or {}).get("name", "auto")
    )
    prompt.choice = "required" if named == "any" else named


def text_of(content) -> str:
    """The text of a message's content."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if part.get("type") == "text")
    return content or ""


def last_text(content) -> str:
    """The last text of a user's content: agents put reminders before it."""
    texts = [part["text"] for part in content if part.get("type") == "text"] if isinstance(content, list) else [content]
    return texts[-1] if texts else ""


def failing(rules: Rules, error: ModelError) -> Answer:
    """The error that the prompt asked for, in the vendor's shape."""
    status, kind, code, message = envelopes.KINDS[error.kind]
    status = rules.rate_limit_status if error.kind == "429" else rules.invalid_status if status == 400 else status
    headers = {"retry_after": "1"} if error.kind == "429" else {}
    return of_json(status, rules.envelope(status, kind, code, message), **headers)


def usage(reply: Reply, rules: Rules) -> dict:
    """The fixed numbers, as the vendor reports them."""
    told = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
    if rules.usage_extras.get("details", True):
        told["prompt_tokens_details"] = {"cached_tokens": CACHED}
        told["completion_tokens_details"] = {"reasoning_tokens": reply.reasoning}
    return {**told, **{key: value for key, value in rules.usage_extras.items() if key != "details"}}


def _finish(reply: Reply, rules: Rules) -> str:
    name = {"end": "stop", "stop": "stop", "length": "length", "tools": "tool_calls"}[reply.stop]
    return rules.finish.get(name, name)


def _calls(reply: Reply, rules: Rules) -> list[dict]:
    calls = []
    for call in reply.calls:
        identifier = rules.call_ids.format(uuid.uuid4().hex)[: 9 if rules.name == "mistral" else 64]
        arguments = call.input if isinstance(call.input, str) else json.dumps(call.input)
        custom = isinstance(call.input, str)
        inner = {"name": call.name, "input" if custom else "arguments": arguments}
        calls.append(
            {"id": identifier, "type": "custom" if custom else "function", "custom" if custom else "function": inner}
        )
    return calls


def _unary(reply: Reply, rules: Rules, model: str, count: int) -> dict:
    content = reply.text if reply.chunks else None
    message = {"role": "assistant", "content": content, "refusal": None}
    if reply.thoughts and rules.reasoning == "thinking":
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHTS}]}
        message["content"] = [thinking] + ([{"type": "text", "text": content}] if content else [])
    elif reply.thoughts and rules.reasoning:
        message[rules.reasoning] = THOUGHTS
    if reply.calls:
        message["tool_calls"] = _calls(reply, rules)
    choice = {"message": message, "logprobs": None, "finish_reason": _finish(reply, rules)}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex[:12]}",
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": index, **choice} for index in range(count)],
        "usage": usage(reply, rules),
        **rules.extras,
    }


def _deltas(reply: Reply, rules: Rules) -> list[dict]:
    deltas: list[dict] = [{"role": "assistant", "content": ""}]
    for chunk in THOUGHT_CHUNKS if reply.thoughts and rules.reasoning else []:
        thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": chunk}]}]
        deltas.append({"content": thinking} if rules.reasoning == "thinking" else {rules.reasoning: chunk})
    deltas += [{"content": chunk} for chunk in reply.chunks]
    for index, call in enumerate(_calls(reply, rules)):
        kind = call["type"]
        key = "input" if kind == "custom" else "arguments"
        whole = call[kind][key]
        if rules.whole_calls:
            deltas.append({"tool_calls": [{"index": index, **call}]})
            continue
        first = {"index": index, "id": call["id"], "type": kind, kind: {"name": call[kind]["name"], key: ""}}
        deltas.append({"tool_calls": [first]})
        for half in (whole[: len(whole) // 2], whole[len(whole) // 2 :]):
            deltas.append({"tool_calls": [{"index": index, kind: {key: half}}]})
    return deltas


def _stream(reply: Reply, rules: Rules, body: dict, model: str):
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex[:12]}",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
        **rules.extras,
        **rules.padding,
    }
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    waiting = {"usage": None} if asked and rules.usage == "asked" else {}
    yield from [b": OPENROUTER PROCESSING\n\n"] * rules.comments
    if rules.filters:
        yield event(
            {
                "choices": [],
                "created": 0,
                "id": "",
                "model": "",
                "object": "",
                "prompt_filter_results": [
                    {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
                ],
            }
        )
    for delta in _deltas(reply, rules):
        yield event(
            {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}], **waiting}
        )
    if reply.breaks == "cut":
        yield None
        return
    if reply.breaks == "late":
        yield event(rules.envelope(500, *envelopes.KINDS["500"][1:]))
        return
    last = {"usage": usage(reply, rules)} if rules.usage == "last" else waiting
    choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": _finish(reply, rules)}
    yield event({**head, "choices": [choice], **last})
    if rules.usage == "always" or (asked and rules.usage == "asked"):
        yield event({**head, "choices": [], "usage": usage(reply, rules)})
    yield event("[DONE]")
