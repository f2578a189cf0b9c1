"""The shapes of Messages bodies, from the types of Anthropic's SDK."""

from typing import Any

from .shape import between, either, nullable, tagged

CACHE = {"cache_control?": nullable({"type": {"ephemeral"}, "ttl?": {"5m", "1h"}, "scope?": str})}
TEXT = {"text": str, "citations?": Any, **CACHE}
SOURCE = tagged(
    "type",
    {
        "base64": {"media_type": {"image/png", "image/jpeg", "image/gif", "image/webp"}, "data": str},
        "url": {"url": str},
        "file": {"file_id": str},
    },
)
DOCUMENT = tagged(
    "type",
    {
        "base64": {"media_type": {"application/pdf"}, "data": str},
        "text": {"media_type": {"text/plain"}, "data": str},
        "url": {"url": str},
        "file": {"file_id": str},
        "content": {"content": Any},
    },
)
IMAGE = {"source": SOURCE, **CACHE}
FILE = {
    "source": DOCUMENT,
    "title?": nullable(str),
    "context?": nullable(str),
    "citations?": nullable({"enabled?": bool}),
    **CACHE,
}
RESULT = {
    "tool_use_id": str,
    "is_error?": bool,
    **CACHE,
    "content?": either(str, [tagged("type", {"text": TEXT, "image": IMAGE, "document": FILE})]),
}
USER = either(str, [tagged("type", {"text": TEXT, "image": IMAGE, "document": FILE, "tool_result": RESULT})])
ASSISTANT = either(
    str,
    [
        tagged(
            "type",
            {
                "text": TEXT,
                "thinking": {"thinking": str, "signature": str},
                "redacted_thinking": {"data": str},
                "tool_use": {"id": str, "name": str, "input": {"...": Any}, "caller?": Any, **CACHE},
            },
        )
    ],
)
CUSTOM_TOOL = {
    "name": str,
    "description?": str,
    "input_schema": {"type": {"object"}, "...": Any},
    "strict?": bool,
    "type?": nullable({"custom"}),
    "eager_input_streaming?": nullable(bool),
    "defer_loading?": bool,
    "allowed_callers?": Any,
    "input_examples?": Any,
    **CACHE,
}
PARALLEL = {"disable_parallel_tool_use?": bool}
ROLES = {"user": {"content": USER}, "assistant": {"content": ASSISTANT}}
SYSTEM = {"system": {"content": either(str, [tagged("type", {"text": TEXT})])}}
COUNTED = {
    "messages": [tagged("role", ROLES)],
    "system?": either(str, [tagged("type", {"text": TEXT})]),
    "tools?": [CUSTOM_TOOL],
    "tool_choice?": tagged("type", {"auto": PARALLEL, "any": PARALLEL, "tool": {"name": str, **PARALLEL}, "none": {}}),
    "thinking?": tagged(
        "type",
        {
            "enabled": {"budget_tokens": between(1024, 1e6), "display?": nullable({"summarized", "omitted"})},
            "disabled": {},
            "adaptive": {"display?": nullable({"summarized", "omitted"})},
        },
    ),
    "output_config?": {
        "effort?": nullable({"low", "medium", "high", "xhigh", "max"}),
        "format?": nullable(tagged("type", {"json_schema": {"schema": {"...": Any}}})),
    },
    **CACHE,
}
BODY = {
    **COUNTED,
    "max_tokens": int,
    "temperature?": between(0, 1),
    "top_p?": between(0, 1),
    "top_k?": int,
    "stop_sequences?": [str],
    "stream?": bool,
    "metadata?": {"user_id?": nullable(str)},
    "service_tier?": {"auto", "standard_only"},
    "inference_geo?": {"us", "global"},
}
