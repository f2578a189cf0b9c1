"""What the fuzzer starts from: a few inputs for each target. `python3 -m tests.fuzz.seeds FOLDER`."""

import gzip
import json
import sys
import zlib
from base64 import b64encode
from pathlib import Path

from tests.fakes import eventstream

CHAT, RESPONSES, MESSAGES, GEMINI, CONVERSE = b"\x00", b"\x01", b"\x02", b"\x03", b"\x04"
TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
PICTURE = "data:image/png;base64,aGVsbG8="


def sse(*events: dict | str) -> bytes:
    """Server-sent events; those with a type are named after it."""
    lines = []
    for event in events:
        if isinstance(event, dict) and "type" in event:
            lines.append(f"event: {event['type']}")
        lines.append(f"data: {event if isinstance(event, str) else json.dumps(event)}\n")
    return ("\n".join(lines) + "\n").encode()


def plain(value: object) -> bytes:
    return json.dumps(value).encode()


def calls() -> list[bytes]:
    chat = {"model": "m", "stream": True, "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": PICTURE}}]},
        {"role": "assistant", "content": None, "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "signature": "s"}],
         "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"}],
        "tools": [{"type": "function", "function": TOOL}, {"type": "custom", "custom": {"name": "c"}}],
        "tool_choice": "required", "max_tokens": 9, "temperature": 0.5, "stop": ["x"], "reasoning_effort": "high",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}}
    responses = {"model": "m", "instructions": "Be brief.", "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_file", "filename": "a.pdf", "file_data": "aGk="}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "s"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_image", "image_url": PICTURE}]}],
        "tools": [{"type": "function", **TOOL}], "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_object"}, "verbosity": "low"}, "store": False, "max_output_tokens": 99}
    messages = {"model": "m", "max_tokens": 4000, "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
        {"role": "user", "content": [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "citations": {"enabled": True}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": "s"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": "no"}]}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "tool", "name": "f"},
        "thinking": {"type": "enabled", "budget_tokens": 2048}}
    completions = {"model": "m", "prompt": ["Hi"], "max_tokens": 5, "n": 2, "logit_bias": {"1": 2}}
    return [number + b"\x01" + plain(body) for number, body in
            zip((b"\x00", b"\x01", b"\x02", b"\x03"), (chat, completions, responses, messages), strict=True)]


def answers() -> list[bytes]:
    chat = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "Hi", "reasoning_content": "Hm",
         "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}}}
    responses = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "s"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Hi", "annotations": [
            {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}]}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}", "status": "completed"}],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}}
    messages = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use", "stop_sequence": None, "content": [
        {"type": "thinking", "thinking": "Hm", "signature": "s"}, {"type": "redacted_thinking", "data": "d"}, {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}], "usage": {"input_tokens": 3, "output_tokens": 2}}
    gemini = {"responseId": "r", "modelVersion": "m", "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [
        {"text": "Hm", "thought": True}, {"text": "Hi", "thoughtSignature": "s"}, {"functionCall": {"name": "f", "args": {"a": 1}}}]}}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 1, "totalTokenCount": 6}}
    converse = {"output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "s"}}}, {"text": "Hi"},
        {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}]}}, "stopReason": "tool_use",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, "metrics": {"latencyMs": 9}}
    return [CHAT + plain(chat), RESPONSES + plain(responses), MESSAGES + plain(messages), GEMINI + plain(gemini), CONVERSE + plain(converse)]


def events() -> list[bytes]:
    def chunk(**delta):
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    ended = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    chat = sse(chunk(role="assistant", content=""), chunk(reasoning_content="Hm"), chunk(content="Hi"),
               chunk(tool_calls=[{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]),
               chunk(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]), ended, "[DONE]")
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""}
    responses = sse(
        {"type": "response.created", "response": {"id": "resp_1", "model": "m"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Hi"},
        {"type": "response.output_item.added", "output_index": 1, "item": call},
        {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 1, "delta": "{}"},
        {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [], "usage": {"input_tokens": 3, "output_tokens": 2}}})
    messages = sse(
        {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t1", "name": "f", "input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}, {"type": "message_stop"})
    gemini = sse({"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]},
                 {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]}, "finishReason": "STOP"}]})
    converse = b"".join(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}}),
        ("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t1", "name": "f"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{}"}}}),
        ("messageStop", {"stopReason": "tool_use"}), ("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2}})])
    return [CHAT + chat, RESPONSES + responses, MESSAGES + messages, GEMINI + gemini, CONVERSE + converse]


def errors() -> list[bytes]:
    openai = plain({"error": {"message": "Rate limit reached. Please try again in 6m0s.", "type": "tokens", "param": None, "code": "rate_limit_exceeded"}})
    anthropic = plain({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    google = plain([{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}]}}])
    aws = plain({"__type": "ThrottlingException", "message": "Too many requests"})
    return [CHAT + b"\x06" + b"\x0120\n\n" + openai, MESSAGES + b"\x09\n" + anthropic, GEMINI + b"\x06\n" + google,
            CONVERSE + b"\x06" + b"\x03ThrottlingException\n\x047m12s\n\n" + aws, CHAT + b"\x00\x00text/plain\n\nno such model"]


def frames() -> list[bytes]:
    own = eventstream.event("messageStart", {"role": "assistant"}) + eventstream.exception("throttlingException", "slow down")
    wrapped = eventstream.event("chunk", {"bytes": b64encode(plain({"type": "ping"})).decode()})
    return [b"\x00\x07" + sse({"type": "ping"}, "[DONE]"), b"\x01\x20" + own, b"\x02\x20" + wrapped]


def bodies() -> list[bytes]:
    form = b"multipart/form-data; boundary=x\n" + b"\r\n".join([
        b"--x", b'Content-Disposition: form-data; name="model"', b"", b"m",
        b"--x", b'Content-Disposition: form-data; name="file"; filename="a.wav"', b"", b"bytes", b"--x--", b""])
    body = plain({"model": "m", "max_tokens": 9, "user": "u", "a": [1, {"b": None}], "b": "\u20ac"})
    return [b"\x00" + body, b"\x00{}", b"\x01" + form, b"\x02" + gzip.compress(body, mtime=0), b"\x03" + zlib.compress(body)]


def manifests() -> list[bytes]:
    root = Path(__file__).parents[2]
    return [path.read_bytes() for path in sorted((root / "tests/manifests").rglob("*.yaml"))[:40]]


def main() -> None:
    folder = Path(sys.argv[1])
    for target in (answers, bodies, calls, errors, events, frames, manifests):
        (folder / target.__name__).mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(target()):
            (folder / target.__name__ / f"seed-{number}").write_bytes(seed)


if __name__ == "__main__":
    main()
