"""Vendors with OpenAI's paths: which endpoints each has, under which base path, and how it bends Chat Completions."""

from typing import Any, Callable

from . import chat, envelopes, messages, openai, responses
from . import chat_shapes as shapes
from .chat import Rules
from .keys import Check, bearer
from .server import Answer, Refused, Request, of_json

CHAT, MORE = ("chat", "models"), ("chat", "models", "embeddings")
MOST = (*MORE, "responses", "messages")
ALL = (*MORE, "responses", "completions", "images", "speech", "transcriptions", "moderations")

ENDPOINTS: dict[str, tuple[str, str, Callable[[Request, Rules], Answer]]] = {
    "chat": ("POST", "/chat/completions", chat.answer),
    "completions": ("POST", "/completions", openai.completions),
    "responses": ("POST", "/responses", responses.answer),
    "embeddings": ("POST", "/embeddings", openai.embeddings),
    "models": ("GET", "/models", openai.models),
    "images": ("POST", "/images/generations", openai.images),
    "speech": ("POST", "/audio/speech", openai.speech),
    "transcriptions": ("POST", "/audio/transcriptions", openai.transcriptions),
    "moderations": ("POST", "/moderations", openai.moderations),
    "messages": ("POST", "/messages", lambda request, rules: messages.answer(request, _claude(rules))),
    "count_tokens": ("POST", "/messages/count_tokens", lambda request, rules: messages.count(request, _claude(rules))),
}


def _claude(rules: Rules) -> messages.Rules:
    return messages.Rules(rules.name, rules.models, more=rules.more, own=rules.own)


def compatible(rules: Rules, bases: tuple[str, ...], surfaces: tuple[str, ...], check: Check | None = None):
    """A vendor with OpenAI's paths under one of `bases`."""
    allowed = check or bearer(rules.name)

    def answer(request: Request) -> Answer:
        if complaint := allowed(request):
            told = rules.envelope(401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")
            raise Refused(of_json(401, told), complaint)
        base = max((base for base in bases if request.path.startswith(f"{base}/")), key=len, default=None)
        for name in surfaces if base is not None else ():
            method, path, endpoint = ENDPOINTS[name]
            if (request.method, request.path) == (method, base + path):
                return endpoint(request, rules)
        message = f"Invalid URL ({request.method} {request.path})"
        raise Refused(of_json(404, rules.envelope(404, "invalid_request_error", None, message)), message)

    return answer


def strict_routing(*wanted: tuple[str, Any]) -> Callable[[Request, dict], str | None]:
    """Wants these values in `provider`: without them the vendor may go elsewhere, or collect."""

    def check(request: Request, body: dict) -> str | None:
        provider = body.get("provider") or {}
        missing = [f"provider.{name} must be {value}" for name, value in wanted if provider.get(name) != value]
        return "; ".join(missing) or None

    return check


ROUTED = {"provider?": {"...": Any}, "models?": [str]}
OPENROUTER = strict_routing(("allow_fallbacks", False), ("data_collection", "deny"))
CORTECS = {
    "preference?": {"speed", "cost", "balanced"},
    "allowed_providers?": [str],
    "eu_native?": bool,
    "allow_quantization?": bool,
    "allow_zero_data_retention?": bool,
    "enable_model_fallback?": {False},
}
EDENAI = {"routing?": {"allow_fallbacks?": {False}, "sort?": str}}
VERCEL = {"providerOptions?": {"...": Any}}
COST = {"cost": 0.000123}

RULES = [
    (
        Rules(
            "openai",
            ("gpt-5.5", "text-embedding-3-small"),
            refuses=frozenset({"max_tokens"}),
            extras={"system_fingerprint": "fp_1", "service_tier": "default"},
            padding={"obfuscation": "Qup1BsQ3"},
        ),
        ("/v1",),
        ALL,
    ),
    (
        Rules(
            "mistral",
            ("mistral-large-2512",),
            shapes.MISTRAL,
            envelope=envelopes.mistral,
            reasoning="thinking",
            usage="last",
            usage_extras={"details": False},
            call_ids="{}",
            whole_calls=True,
            padding={"p": "abcdef"},
        ),
        ("/v1",),
        (*MORE, "moderations"),
    ),
    (
        Rules(
            "together",
            ("openai/gpt-oss-120b",),
            shapes.TOGETHER,
            extras={"prompt": []},
            finish={"stop": "eos"},
            usage="last",
            reasoning="reasoning",
            usage_extras={"details": False},
        ),
        ("/v1",),
        (*MORE, "completions", "images", "speech", "transcriptions"),
    ),
    (
        Rules(
            "fireworks",
            ("accounts/fireworks/models/gpt-oss-120b",),
            shapes.FIREWORKS,
            usage="last",
            reasoning="reasoning_content",
        ),
        ("/inference/v1",),
        (*MOST, "completions"),
    ),
    (
        Rules(
            "openrouter",
            ("anthropic/claude-sonnet-4.5",),
            shapes.OPENROUTER,
            envelope=envelopes.openrouter,
            own=OPENROUTER,
            reasoning="reasoning",
            extras={"provider": "Nebius"},
            usage_extras=COST,
            comments=3,
            usage="always",
            more=ROUTED,
        ),
        ("/api/v1",),
        (*MOST, "completions"),
    ),
    (Rules("portkey", ("@openai-eu/gpt-4o",), envelope=envelopes.portkey), ("/v1",), (*ALL, "messages")),
    (Rules("litellm", ("gpt-4o",)), ("/v1", ""), (*ALL, "messages", "count_tokens")),
    (Rules("vercel", ("openai/gpt-4o",), {**shapes.OPENAI, **VERCEL}, more=VERCEL), ("/v1",), MOST),
    (Rules("helicone", ("gpt-4o/openai",)), ("/v1",), CHAT),
    (Rules("edenai", ("openai/gpt-4o",), {**shapes.OPENAI, **EDENAI}, more=EDENAI), ("/v3",), (*MORE, "responses")),
    (Rules("orq", ("openai/gpt-4o",)), ("/v2/router", "/v3/router"), (*MORE, "responses")),
    (
        Rules("requesty", ("openai/gpt-4o@eu",), {**shapes.OPENAI, "requesty?": {"...": Any}}, usage_extras=COST),
        ("/v1",),
        MOST,
    ),
    (
        Rules("cortecs", ("gpt-4o",), {**shapes.OPENAI, **CORTECS}, envelope=envelopes.flat, more=CORTECS),
        ("/v1",),
        (*CHAT, "messages"),
    ),
    (
        Rules(
            "eurouter",
            ("gpt-4o",),
            {**shapes.OPENAI, **ROUTED},
            envelope=envelopes.eurouter,
            more=ROUTED,
            own=strict_routing(("allow_fallbacks", False)),
        ),
        ("/api/v1", "/v1"),
        (*MORE, "responses"),
    ),
    (
        Rules(
            "vllm",
            ("llama-3.3-70b",),
            shapes.VLLM,
            unknown="ignore",
            envelope=envelopes.numbered,
            reasoning="reasoning",
            ignored=frozenset({"verbosity", "web_search_options"}),
            usage_extras={"details": False},
            call_ids="chatcmpl-tool-{}",
        ),
        ("/v1",),
        (*MOST, "completions", "transcriptions"),
    ),
    (
        Rules(
            "sglang",
            ("llama-3.3-70b",),
            shapes.VLLM,
            unknown="ignore",
            envelope=envelopes.sglang,
            reasoning="reasoning_content",
            ignored=frozenset({"verbosity", "web_search_options"}),
            usage_extras={"details": False},
        ),
        ("/v1",),
        (*MORE, "completions"),
    ),
    (
        Rules(
            "deepseek",
            ("deepseek-chat",),
            shapes.DEEPSEEK,
            reasoning="reasoning_content",
            usage="asked",
            usage_extras={"prompt_cache_hit_tokens": 3, "prompt_cache_miss_tokens": 8},
        ),
        ("", "/v1"),
        CHAT,
    ),
    (
        Rules(
            "groq",
            ("openai/gpt-oss-120b",),
            extras={"x_groq": {"id": "req_1"}},
            reasoning="reasoning",
            whole_calls=True,
        ),
        ("/openai/v1",),
        CHAT,
    ),
    (
        Rules(
            "ollama",
            ("llama3.3:70b",),
            shapes.OLLAMA,
            unknown="ignore",
            whole_calls=True,
            reasoning="reasoning",
            usage_extras={"details": False},
            call_ids="call_{:.8}",
        ),
        ("/v1",),
        (*MOST, "completions"),
    ),
    (
        Rules(
            "llama-cpp",
            ("llama-3.3-70b",),
            shapes.LLAMA_CPP,
            unknown="ignore",
            envelope=envelopes.numbered,
            reasoning="reasoning_content",
            extras={"timings": {"predicted_ms": 1.0}},
            ignored=frozenset({"verbosity", "web_search_options"}),
            usage_extras={"details": False},
            call_ids="{}",
        ),
        ("/v1",),
        (*MOST, "completions", "count_tokens"),
    ),
    (
        Rules(
            "tgi",
            ("meta-llama/Llama-3.3-70B-Instruct",),
            shapes.TGI,
            unknown="ignore",
            envelope=envelopes.tgi,
            ignored=frozenset({"n", "logit_bias"}),
            invalid_status=422,
            usage_extras={"details": False},
            call_ids="{:.9}",
        ),
        ("/v1",),
        (*CHAT, "completions"),
    ),
    (
        Rules(
            "kserve",
            ("llama-3.3-70b",),
            shapes.VLLM,
            unknown="ignore",
            envelope=envelopes.numbered,
            usage_extras={"details": False},
        ),
        ("/openai/v1",),
        (*MORE, "completions"),
    ),
]
