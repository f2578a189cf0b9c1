"""The shapes of Chat Completions bodies: OpenAI's, and what others leave out of it, from their specifications."""

from typing import Any

from .shape import NUMBER, Bad, between, check, either, nullable, tagged

SCHEMA = {"...": Any}
TEXT_PART = {"type": {"text"}, "text": str, "prompt_cache_breakpoint?": Any}


def image_url(value, path):
    """A URL that is fetched, or a data URI."""
    check(str, value, path)
    if not value.startswith(("https://", "http://", "data:image/")):
        raise Bad("value", path, "Invalid image URL. Expected a base64-encoded data URL with an image MIME type")


def data_image(value, path):
    """A data URI and no URL that would have to be fetched."""
    check(str, value, path)
    if not value.startswith("data:image/"):
        raise Bad("value", path, "invalid image input")


def parts(fetches: bool = True, **more) -> Any:
    """A user's content: text, images, and what else a vendor takes."""
    image = {
        "image_url": {
            "url": image_url if fetches else data_image,
            "detail?": nullable({"auto", "low", "high", "original"}),
        }
    }
    return either(
        str, [tagged("type", {"text": {"text": str, "prompt_cache_breakpoint?": Any}, "image_url": image, **more})]
    )


OPENAI_PARTS = {
    "input_audio": {"input_audio": {"data": str, "format": {"wav", "mp3"}}},
    "file": {"file": {"filename?": str, "file_data?": str, "file_id?": str}},
}
FUNCTION = {"name": str, "description?": nullable(str), "parameters?": nullable(SCHEMA), "strict?": nullable(bool)}
CUSTOM = {"name": str, "description?": str, "format?": Any}
FUNCTION_CALL = {"id": str, "function": {"name": str, "arguments": str}}
CUSTOM_CALL = {"id": str, "custom": {"name": str, "input": str}}
JSON_SCHEMA = {"name": str, "schema?": SCHEMA, "strict?": nullable(bool), "description?": nullable(str)}
FORMAT = tagged("type", {"text": {}, "json_object": {}, "json_schema": {"json_schema": JSON_SCHEMA}})
TEXTS = either(str, [TEXT_PART])
CHOICE_NAMED = {"function": {"function": {"name": str}}, "custom": {"custom": {"name": str}}}
ALLOWED = {"allowed_tools": {"allowed_tools": {"mode": {"auto", "required"}, "tools": [{"...": Any}]}}}

MESSAGES = [
    tagged(
        "role",
        {
            "system": {"content": TEXTS, "name?": str},
            "developer": {"content": TEXTS, "name?": str},
            "user": {"content": parts(**OPENAI_PARTS), "name?": str},
            "assistant": {
                "content?": nullable(
                    either(str, [tagged("type", {"text": {"text": str}, "refusal": {"refusal": str}})])
                ),
                "refusal?": nullable(str),
                "name?": str,
                "audio?": Any,
                "function_call?": Any,
                "annotations?": Any,
                "tool_calls?": nullable(
                    [
                        tagged(
                            "type",
                            {
                                "function": {key: FUNCTION_CALL[key] for key in FUNCTION_CALL},
                                "custom": {key: CUSTOM_CALL[key] for key in CUSTOM_CALL},
                            },
                        )
                    ]
                ),
            },
            "tool": {"content": TEXTS, "tool_call_id": str},
        },
    )
]

OPENAI = {
    "model": str,
    "messages": MESSAGES,
    "max_completion_tokens?": nullable(int),
    "max_tokens?": nullable(int),
    "temperature?": nullable(between(0, 2)),
    "top_p?": nullable(between(0, 1)),
    "n?": nullable(int),
    "seed?": nullable(int),
    "stop?": nullable(either(str, [str])),
    "presence_penalty?": nullable(between(-2, 2)),
    "frequency_penalty?": nullable(between(-2, 2)),
    "logit_bias?": nullable({"...": Any}),
    "logprobs?": nullable(bool),
    "top_logprobs?": nullable(between(0, 20)),
    "response_format?": FORMAT,
    "tools?": [tagged("type", {"function": {"function": FUNCTION}, "custom": {"custom": CUSTOM}})],
    "tool_choice?": either({"none", "auto", "required"}, tagged("type", {**CHOICE_NAMED, **ALLOWED})),
    "parallel_tool_calls?": bool,
    "reasoning_effort?": nullable({"none", "minimal", "low", "medium", "high", "xhigh", "max"}),
    "verbosity?": nullable({"low", "medium", "high"}),
    "stream?": nullable(bool),
    "stream_options?": nullable({"include_usage?": bool, "include_obfuscation?": bool}),
    "service_tier?": nullable({"auto", "default", "flex", "scale", "priority", "fast"}),
    "store?": nullable(bool),
    "metadata?": nullable({"...": str}),
    "safety_identifier?": str,
    "prompt_cache_key?": str,
    "user?": str,
    "prompt_cache_retention?": nullable(str),
    "prompt_cache_options?": Any,
    "prediction?": Any,
    "modalities?": Any,
    "audio?": Any,
    "web_search_options?": Any,
    "function_call?": Any,
    "functions?": Any,
    "moderation?": Any,
}

MISTRAL_MESSAGES = [
    tagged(
        "role",
        {
            "system": {"content": TEXTS},
            "user": {
                "content": parts(
                    **{
                        "image_url": {"image_url": either(image_url, {"url": image_url, "detail?": nullable(str)})},
                        "document_url": {"document_url": str, "document_name?": nullable(str)},
                        "file": {"file_id": str},
                        "input_audio": {"input_audio": Any},
                    }
                )
            },
            "assistant": {
                "content?": nullable(
                    either(
                        str,
                        [
                            tagged(
                                "type",
                                {
                                    "text": {"text": str},
                                    "thinking": {"thinking": [{"type": {"text"}, "text": str}], "closed?": bool},
                                },
                            )
                        ],
                    )
                ),
                "prefix?": bool,
                "tool_calls?": nullable(
                    [
                        {
                            "id?": str,
                            "type?": {"function"},
                            "index?": int,
                            "function": {"name": str, "arguments": either(str, {"...": Any})},
                        }
                    ]
                ),
            },
            "tool": {"content": nullable(TEXTS), "tool_call_id?": nullable(str), "name?": nullable(str)},
        },
    )
]
MISTRAL_FUNCTION = {"name": str, "description?": str, "parameters": SCHEMA, "strict?": bool}


def _only(*names: str, **changed) -> dict:
    kept = {key: shape for key, shape in OPENAI.items() if key.rstrip("?") in names}
    renamed = {key if key in ("model", "messages") else f"{key}?": shape for key, shape in changed.items()}
    return {"model": str, "messages": MESSAGES, **kept, **renamed}


MISTRAL = _only(
    "max_tokens",
    "top_p",
    "n",
    "stop",
    "stream",
    "presence_penalty",
    "frequency_penalty",
    "response_format",
    "parallel_tool_calls",
    "prediction",
    "metadata",
    "prompt_cache_key",
    messages=MISTRAL_MESSAGES,
    temperature=nullable(between(0, 1.5)),
    random_seed=nullable(int),
    safe_prompt=bool,
    prompt_mode=nullable({"reasoning"}),
    reasoning_effort=nullable({"none", "high"}),
    guardrails=Any,
    tools=nullable([{"type?": {"function"}, "function": MISTRAL_FUNCTION}]),
    tool_choice=either({"auto", "none", "any", "required"}, {"type?": {"function"}, "function": {"name": str}}),
)
TOGETHER = _only(
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "seed",
    "stream",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "response_format",
    "tools",
    "tool_choice",
    "reasoning_effort",
    "function_call",
    "stream_options",
    stop=[str],
    logprobs=between(0, 20),
    top_k=int,
    min_p=NUMBER,
    repetition_penalty=NUMBER,
    echo=bool,
    safety_model=str,
    context_length_exceeded_behavior={"error", "truncate"},
    compliance=str,
    chat_template_kwargs=Any,
    reasoning={"enabled?": bool},
)
DEEPSEEK = {name: shape for name, shape in OPENAI.items() if name != "max_completion_tokens?"}
FIREWORKS = {**OPENAI, **_only(top_k=int, min_p=NUMBER, prompt_truncate_len=int, context_length_exceeded_behavior=str)}
OPENROUTER = {
    **OPENAI,
    **_only(
        provider={"...": Any},
        models=[str],
        route=str,
        plugins=Any,
        reasoning={"...": Any},
        usage={"include": bool},
        top_k=int,
        top_a=NUMBER,
        min_p=NUMBER,
        repetition_penalty=NUMBER,
        session_id=str,
        trace=Any,
        cache_control=Any,
    ),
}
VLLM = {
    **OPENAI,
    **_only(
        top_k=int,
        min_p=NUMBER,
        repetition_penalty=NUMBER,
        chat_template_kwargs=Any,
        include_reasoning=bool,
        structured_outputs=Any,
        cache_salt=str,
        priority=int,
    ),
}
OLLAMA = _only(
    "max_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "presence_penalty",
    "frequency_penalty",
    "response_format",
    "reasoning_effort",
    messages=[
        tagged(
            "role",
            {
                "system": {"content": TEXTS},
                "user": {"content": parts(fetches=False)},
                "assistant": {
                    "content?": nullable(TEXTS),
                    "reasoning?": str,
                    "tool_calls?": [tagged("type", {"function": {**FUNCTION_CALL, "index?": int}})],
                },
                "tool": {"content": TEXTS, "tool_call_id": str, "name?": str},
            },
        )
    ],
    tools=[tagged("type", {"function": {"function": FUNCTION}})],
)
LLAMA_CPP = {**OPENAI, **_only(top_k=int, min_p=NUMBER, cache_prompt=bool, chat_template_kwargs=Any, grammar=str)}
TGI = _only(
    "max_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tool_choice",
    "n",
    "logit_bias",
    tools=[{"type": {"function"}, "function": FUNCTION}],
    tool_prompt=str,
)
