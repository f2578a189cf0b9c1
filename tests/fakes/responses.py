"""OpenAI Responses, without state: ids of earlier answers are 400. Facts: OpenAI's specification, recorded streams."""

import json
import uuid
from typing import Any

from . import envelopes
from .chat import CREATED, Rules, failing, parse, refuse
from .chat_shapes import SCHEMA
from .model import CACHED, INPUT, OUTPUT, THOUGHTS, ModelError, Prompt, Reply, Tool
from .model import answer as ask
from .server import Answer, Refused, Request, event, of_events, of_json
from .shape import Bad, between, check, either, nullable, tagged

STATUS = {"status?": nullable({"completed", "in_progress", "incomplete"})}
INPUT_PARTS = [
    tagged(
        "type",
        {
            "input_text": {"text": str, "prompt_cache_breakpoint?": Any},
            "input_image": {
                "image_url?": nullable(str),
                "file_id?": nullable(str),
                "detail?": nullable({"auto", "low", "high", "original"}),
            },
            "input_file": {
                "filename?": str,
                "file_data?": str,
                "file_id?": nullable(str),
                "file_url?": str,
                "detail?": str,
            },
        },
    )
]
OUTPUT_PARTS = [
    tagged(
        "type",
        {
            "output_text": {"text": str, "annotations?": Any, "logprobs?": Any},
            "refusal": {"refusal": str},
            "input_text": {"text": str},
        },
    )
]
MESSAGE = tagged(
    "role",
    {
        **{
            role: {"content": either(str, INPUT_PARTS), "type?": {"message"}, **STATUS}
            for role in ("user", "system", "developer")
        },
        "assistant": {
            "content": either(str, OUTPUT_PARTS),
            "type?": {"message"},
            "id?": str,
            "phase?": nullable({"commentary", "final_answer"}),
            **STATUS,
        },
    },
)
ITEMS = {
    "function_call": {"call_id": str, "name": str, "arguments": str, "id?": str, "namespace?": str, **STATUS},
    "function_call_output": {"call_id": str, "output": either(str, INPUT_PARTS), "id?": nullable(str), **STATUS},
    "custom_tool_call": {"call_id": str, "name": str, "input": str, "id?": str, **STATUS},
    "custom_tool_call_output": {"call_id": str, "output": either(str, INPUT_PARTS), "id?": nullable(str), **STATUS},
    "reasoning": {
        "id?": str,
        "summary": [{"type": {"summary_text"}, "text": str}],
        "encrypted_content?": nullable(str),
        "content?": nullable(Any),
        **STATUS,
    },
}


def _item(value, path):
    kind = value.get("type", "message") if isinstance(value, dict) else None
    check(MESSAGE if kind == "message" else tagged("type", ITEMS), value, path)


FORMAT = tagged(
    "type",
    {
        "text": {},
        "json_object": {},
        "json_schema": {"name": str, "schema": SCHEMA, "strict?": nullable(bool), "description?": nullable(str)},
    },
)
BODY = {
    "model": str,
    "input": either(str, [_item]),
    "instructions?": nullable(str),
    "tools?": [
        tagged(
            "type",
            {
                "function": {
                    "name": str,
                    "description?": nullable(str),
                    "parameters": nullable(SCHEMA),
                    "strict?": nullable(bool),
                },
                "custom": {"name": str, "description?": str, "format?": Any},
            },
        )
    ],
    "tool_choice?": either(
        {"none", "auto", "required"},
        tagged(
            "type",
            {
                "function": {"name": str},
                "custom": {"name": str},
                "allowed_tools": {"mode": {"auto", "required"}, "tools": [{"...": Any}]},
            },
        ),
    ),
    "parallel_tool_calls?": nullable(bool),
    "max_tool_calls?": nullable(int),
    "max_output_tokens?": nullable(int),
    "temperature?": nullable(between(0, 2)),
    "top_p?": nullable(between(0, 1)),
    "top_logprobs?": nullable(int),
    "text?": {"format?": FORMAT, "verbosity?": nullable({"low", "medium", "high"})},
    "reasoning?": nullable(
        {
            "effort?": nullable({"none", "minimal", "low", "medium", "high", "xhigh", "max"}),
            "summary?": nullable({"auto", "concise", "detailed"}),
            "context?": Any,
            "mode?": Any,
        }
    ),
    "include?": nullable([{"reasoning.encrypted_content", "message.output_text.logprobs"}]),
    "store?": nullable(bool),
    "previous_response_id?": nullable(str),
    "conversation?": Any,
    "background?": nullable(bool),
    "stream?": nullable(bool),
    "stream_options?": nullable({"include_obfuscation?": bool}),
    "metadata?": nullable({"...": str}),
    "service_tier?": nullable(str),
    "safety_identifier?": str,
    "prompt_cache_key?": str,
    "prompt_cache_retention?": Any,
    "prompt_cache_options?": Any,
    "truncation?": nullable({"auto", "disabled"}),
    "context_management?": Any,
    "prompt?": Any,
    "user?": str,
    "moderation?": Any,
}


def answer(request: Request, rules: Rules) -> Answer:
    """Answers `POST /responses`."""
    body = parse(request, rules)
    try:
        check({**BODY, **rules.more}, body)
        _conversation(body)
    except Bad as bad:
        raise refuse(rules, bad) from bad
    if complaint := rules.own(request, body):
        raise refuse(rules, Bad("value", ("input",), complaint))
    if body["model"] not in rules.models:
        message = f"The requested model '{body['model']}' does not exist."
        told = rules.envelope(400, "invalid_request_error", "model_not_found", message, "model")
        raise Refused(of_json(400, told), message)
    try:
        reply = ask(read(body), rules.name)
    except ModelError as error:
        return failing(rules, error)
    whole = _Whole(reply, body)
    if body.get("stream"):
        return of_events(whole.stream(), x_request_id="req_1")
    return of_json(200, whole.done(), x_request_id="req_1")


def _items(body: dict) -> list[dict]:
    text = [{"role": "user", "content": body["input"]}]
    return body["input"] if isinstance(body["input"], list) else text


def _conversation(body: dict) -> None:
    if body.get("previous_response_id") or body.get("conversation"):
        raise Bad(
            "value", ("previous_response_id",), f"Previous response '{body.get('previous_response_id')}' not found"
        )
    calls, results = set(), set()
    for index, item in enumerate(_items(body)):
        kind = item.get("type", "message")
        if kind in ("function_call", "custom_tool_call"):
            calls.add(item["call_id"])
        if kind.endswith("_output"):
            results.add(item["call_id"])
            if item["call_id"] not in calls:
                raise Bad(
                    "value",
                    ("input", index),
                    f"No tool call found for function call output with call_id {item['call_id']}",
                )
        if kind == "reasoning" and item.get("encrypted_content") not in (None, _sealed()):
            raise Bad("value", ("input", index, "encrypted_content"), "The encrypted content could not be verified")
    if calls - results:
        raise Bad("value", ("input",), f"No tool output found for function call {', '.join(calls - results)}")


def _sealed() -> str:
    return "gAAAAABsealed"


def read(body: dict) -> Prompt:
    """What the model is asked."""
    prompt = Prompt(limit=body.get("max_output_tokens"), system=body.get("instructions") or "")
    for item in _items(body):
        kind = item.get("type", "message")
        if kind == "message" and item["role"] in ("system", "developer"):
            prompt.system += _text(item["content"])
        if kind == "message" and item["role"] == "user":
            prompt.text, prompt.results = _last(item["content"]), []
            prompt.media += _media(item["content"])
        if kind.endswith("_output"):
            prompt.results.append(_text(item["output"]))
    for tool in body.get("tools") or []:
        prompt.tools.append(Tool(tool["name"], tool.get("parameters") or {}, tool["type"] == "custom"))
    choice = body.get("tool_choice") or "auto"
    prompt.choice = choice if isinstance(choice, str) else choice.get("name", "auto")
    reasoning = body.get("reasoning") or {}
    prompt.thinking = (reasoning.get("effort") or "none") != "none"
    form = (body.get("text") or {}).get("format") or {}
    prompt.schema = form.get("schema", {}) if form.get("type", "text") != "text" else None
    return prompt


def _text(content) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _last(content) -> str:
    texts = [part["text"] for part in content if "text" in part] if isinstance(content, list) else [content]
    return texts[-1] if texts else ""


def _media(content) -> list[str]:
    found = []
    for part in content if isinstance(content, list) else []:
        url = part.get("image_url") or part.get("file_data")
        if url:
            found.append(url[5:].split(";")[0] if url.startswith("data:") else url)
    return found


class _Whole:
    """One answer, whole and as a stream."""

    def __init__(self, reply: Reply, body: dict):
        self.reply, self.body, self.sequence = reply, body, -1
        self.identifier = f"resp_{uuid.uuid4().hex}"

    def items(self) -> list[dict]:
        """The output."""
        items: list[dict] = []
        if self.reply.thoughts:
            summary = (
                [{"type": "summary_text", "text": THOUGHTS}]
                if (self.body.get("reasoning") or {}).get("summary")
                else []
            )
            item = {"id": "rs_1", "type": "reasoning", "summary": summary}
            sealed = "reasoning.encrypted_content" in (self.body.get("include") or [])
            items.append({**item, "encrypted_content": _sealed()} if sealed else item)
        if self.reply.chunks:
            part = {"type": "output_text", "text": self.reply.text, "annotations": [], "logprobs": []}
            items.append(
                {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
            )
        for index, call in enumerate(self.reply.calls):
            identifier = {"call_id": f"call_{uuid.uuid4().hex[:24]}", "name": call.name, "status": "completed"}
            if isinstance(call.input, str):
                items.append({"id": f"ctc_{index}", "type": "custom_tool_call", "input": call.input, **identifier})
            else:
                arguments = json.dumps(call.input)
                items.append({"id": f"fc_{index}", "type": "function_call", "arguments": arguments, **identifier})
        return items

    def response(self, status: str, output: list[dict], usage: dict | None) -> dict:
        """The response object."""
        body, cut = self.body, {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": self.identifier,
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": cut,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "max_tool_calls": None,
            "model": body["model"],
            "output": output,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": None},
            "service_tier": "default",
            "store": body.get("store", True),
            "temperature": 1.0,
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools") or [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": usage,
            "user": None,
            "metadata": body.get("metadata") or {},
        }

    def done(self, output: list[dict] | None = None) -> dict:
        """The response at its end."""
        usage = {
            "input_tokens": INPUT,
            "input_tokens_details": {"cached_tokens": CACHED},
            "output_tokens": OUTPUT,
            "output_tokens_details": {"reasoning_tokens": self.reply.reasoning},
            "total_tokens": INPUT + OUTPUT,
        }
        status = "incomplete" if self.reply.stop == "length" else "completed"
        return self.response(status, self.items() if output is None else output, usage)

    def event(self, kind: str, **fields) -> bytes:
        """One event with the next number."""
        self.sequence += 1
        return event({"type": kind, "sequence_number": self.sequence, **fields}, kind)

    def stream(self):
        """The events in the order of the real API."""
        begun = self.response("in_progress", [], None)
        yield self.event("response.created", response=begun)
        yield self.event("response.in_progress", response=begun)
        items = self.items()
        for index, item in enumerate(items):
            at = {"output_index": index}
            empty = {"content": [], "status": "in_progress"} if item["type"] == "message" else {}
            empty |= {key: "" for key in ("arguments", "input") if key in item}
            empty |= {"summary": []} if item["type"] == "reasoning" else {}
            yield self.event("response.output_item.added", item={**item, **empty}, **at)
            yield from self._inside(item, {"item_id": item["id"], **at})
            if self.reply.breaks:
                yield from self._broken()
                return
            yield self.event("response.output_item.done", item=item, **at)
        end = self.done(items)
        yield self.event(f"response.{end['status']}", response=end)

    def _inside(self, item: dict, at: dict):
        if item["type"] == "message":
            part, at = item["content"][0], {**at, "content_index": 0}
            yield self.event("response.content_part.added", part={**part, "text": ""}, **at)
            for chunk in self.reply.chunks:
                yield self.event("response.output_text.delta", delta=chunk, logprobs=[], obfuscation="x1", **at)
            if not self.reply.breaks:
                yield self.event("response.output_text.done", text=part["text"], logprobs=[], **at)
                yield self.event("response.content_part.done", part=part, **at)
        for part in item.get("summary", []):
            at = {**at, "summary_index": 0}
            yield self.event("response.reasoning_summary_part.added", part={**part, "text": ""}, **at)
            yield self.event("response.reasoning_summary_text.delta", delta=part["text"], **at)
            yield self.event("response.reasoning_summary_text.done", text=part["text"], **at)
            yield self.event("response.reasoning_summary_part.done", part=part, **at)
        names = {
            "function_call": ("function_call_arguments", "arguments"),
            "custom_tool_call": ("custom_tool_call_input", "input"),
        }
        if item["type"] in names:
            name, key = names[item["type"]]
            for half in (item[key][: len(item[key]) // 2], item[key][len(item[key]) // 2 :]):
                yield self.event(f"response.{name}.delta", delta=half, **at)
            yield self.event(f"response.{name}.done", **{key: item[key]}, **at)

    def _broken(self):
        if self.reply.breaks == "cut":
            yield None
            return
        _, kind, _, message = envelopes.KINDS["500"]
        error = {"type": kind, "code": "server_error", "message": message, "param": None}
        yield self.event("error", error=error)
        failed = self.response("failed", [], None)
        yield self.event("response.failed", response={**failed, "error": {"code": "server_error", "message": message}})
