"""OpenAI's other endpoints: models, legacy completions, embeddings, images, audio, moderations."""

import base64
import json
import re
import struct
import uuid
from typing import Any

from .chat import CREATED, Rules, failing, parse, refuse
from .model import INPUT, OUTPUT, ModelError, Prompt
from .model import answer as ask
from .server import Answer, Request, event, of_events, of_json
from .shape import Bad, check, either, nullable

VECTOR = [0.5, -0.25, 1.0]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
EMBEDDINGS = {
    "model": str,
    "input": either([[int]], [int], [str], str),
    "encoding_format?": {"float", "base64"},
    "dimensions?": int,
    "user?": str,
}
COMPLETIONS = {
    "model": str,
    "prompt": either([str], str),
    "max_tokens?": nullable(int),
    "temperature?": nullable((int, float)),
    "top_p?": nullable((int, float)),
    "n?": int,
    "stream?": nullable(bool),
    "stream_options?": Any,
    "stop?": Any,
    "seed?": int,
    "user?": str,
    "suffix?": nullable(str),
    "echo?": bool,
    "logprobs?": nullable(int),
    "best_of?": int,
    "presence_penalty?": Any,
    "frequency_penalty?": Any,
    "logit_bias?": Any,
}
IMAGES = {
    "model?": str,
    "prompt": str,
    "n?": int,
    "size?": str,
    "quality?": str,
    "response_format?": str,
    "user?": str,
    "background?": str,
    "output_format?": str,
    "moderation?": str,
    "stream?": bool,
    "style?": str,
    "output_compression?": int,
    "partial_images?": int,
}
MODERATIONS = {"input": either(str, [str], [{"type": str, "...": Any}]), "model?": str}
SPEECH = {
    "model": str,
    "input": str,
    "voice": either(str, {"id": str}),
    "response_format?": str,
    "speed?": (int, float),
    "instructions?": str,
    "stream_format?": str,
}


def _checked(request: Request, rules: Rules, shape: dict) -> dict:
    body = parse(request, rules)
    try:
        check({**shape, **rules.more}, body)
    except Bad as bad:
        raise refuse(rules, bad) from bad
    return body


def models(request: Request, rules: Rules) -> Answer:
    """`GET /models`."""
    rows = [{"id": name, "object": "model", "created": CREATED, "owned_by": rules.name} for name in rules.models]
    return of_json(200, {"object": "list", "data": rows})


def embeddings(request: Request, rules: Rules) -> Answer:
    """`POST /embeddings`: the same vector for each input, as floats or as base64 of little-endian f32."""
    body = _checked(request, rules, EMBEDDINGS)
    several = isinstance(body["input"], list) and not isinstance(body["input"][0], int)
    count = len(body["input"]) if several else 1
    vector: Any = VECTOR
    if body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    told = {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": INPUT, "total_tokens": INPUT},
    }
    return of_json(200, told)


def completions(request: Request, rules: Rules) -> Answer:
    """`POST /completions`, legacy."""
    body = _checked(request, rules, COMPLETIONS)
    text = body["prompt"] if isinstance(body["prompt"], str) else body["prompt"][0]
    stop = body.get("stop") or []
    stops = [stop] if isinstance(stop, str) else stop
    try:
        reply = ask(Prompt(text=text, stops=stops, limit=body.get("max_tokens")), rules.name)
    except ModelError as error:
        return failing(rules, error)
    head = {
        "id": f"cmpl-{uuid.uuid4().hex[:12]}",
        "object": "text_completion",
        "created": CREATED,
        "model": body["model"],
    }
    finish = "length" if reply.stop == "length" else "stop"
    usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
    if not body.get("stream"):
        choice = {"index": 0, "text": reply.text, "logprobs": None, "finish_reason": finish}
        return of_json(200, {**head, "choices": [choice], "usage": usage})
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    pieces = [
        event({**head, "choices": [{"index": 0, "text": chunk, "logprobs": None, "finish_reason": None}]})
        for chunk in reply.chunks
    ]
    pieces.append(event({**head, "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": finish}]}))
    pieces += [event({**head, "choices": [], "usage": usage})] if asked else []
    return of_events([*pieces, event("[DONE]")])


def images(request: Request, rules: Rules) -> Answer:
    """`POST /images/generations`: a picture of one pixel."""
    body = _checked(request, rules, IMAGES)
    return of_json(200, {"created": CREATED, "data": [{"b64_json": PNG}] * body.get("n", 1)})


def moderations(request: Request, rules: Rules) -> Answer:
    """`POST /moderations`: flags what says `violence`."""
    body = _checked(request, rules, MODERATIONS)
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    results = [
        {
            "flagged": "violence" in json.dumps(each),
            "categories": {"violence": "violence" in json.dumps(each)},
            "category_scores": {"violence": 0.5},
        }
        for each in inputs
    ]
    return of_json(200, {"id": "modr-1", "model": body.get("model", "omni-moderation-latest"), "results": results})


def speech(request: Request, rules: Rules) -> Answer:
    """`POST /audio/speech`: bytes."""
    body = _checked(request, rules, SPEECH)
    return Answer(200, {"content-type": "audio/mpeg"}, b"ID3" + body["input"].encode())


def transcriptions(request: Request, rules: Rules) -> Answer:
    """`POST /audio/transcriptions`, multipart: the text says how many bytes the file had."""
    fields = multipart(request, rules)
    for name in ("file", "model"):
        if name not in fields:
            raise refuse(rules, Bad("missing", (name,), "is required"))
    return of_json(200, {"text": f"{len(fields['file'])} bytes", "usage": {"type": "duration", "seconds": 1}})


def multipart(request: Request, rules: Rules) -> dict[str, bytes]:
    """The fields of a `multipart/form-data` body."""
    found = re.match(r'multipart/form-data;\s*boundary="?([^";]+)', request.header("content-type") or "")
    if not found:
        raise refuse(rules, Bad("type", (), "the content-type must be multipart/form-data with a boundary"))
    fields = {}
    for part in request.body.split(b"--" + found[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)
        if name:
            fields[name[1].decode()] = content.removesuffix(b"\r\n")
    return fields
