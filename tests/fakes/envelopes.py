"""How vendors put an error: status, kind, words. One function a vendor; `kind` is OpenAI's code or type for it."""

# What the model's errors are at OpenAI: status, type, code, message.
KINDS = {
    "400": (400, "invalid_request_error", "invalid_value", "Invalid value: the prompt asked for an error."),
    "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    "500": (500, "server_error", None, "The server had an error while processing your request."),
    "529": (503, "server_error", "overloaded", "The engine is currently overloaded, please try again later."),
    "context": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    ),
    "filter": (400, "invalid_request_error", "content_filter", "Your request was rejected by the safety system."),
}


def openai(status: int, kind: str, code, message: str, param=None) -> dict:
    """OpenAI's, and most others'."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def azure(status: int, kind: str, code, message: str, param=None) -> dict:
    """Azure's: a filtered prompt has an inner error; the gateway's own errors have a string status for a code."""
    if code == "content_filter":
        inner = {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True, "severity": "high"}},
        }
        return {
            "error": {
                "message": message,
                "type": None,
                "param": "prompt",
                "code": code,
                "status": 400,
                "innererror": inner,
            }
        }
    if status == 401:
        return {
            "error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}
        }
    return openai(status, kind, code, message, param)


def mistral(status: int, kind: str, code, message: str, param=None) -> dict:
    """Mistral's flat one; its validation has another (`chat.refuse`)."""
    if status == 401:
        return {"detail": "Unauthorized"}
    return {"object": "error", "message": message, "type": kind, "param": param, "code": "3051"}


def openrouter(status: int, kind: str, code, message: str, param=None) -> dict:
    """OpenRouter's: the code is the status, and the upstream's words are metadata."""
    metadata = {"provider_name": "Nebius", "raw": message} if status in (429, 500, 503) else {}
    return {
        "error": {"code": status, "message": "Provider returned error" if metadata else message, "metadata": metadata},
        "user_id": "user_2",
    }


def numbered(status: int, kind: str, code, message: str, param=None) -> dict:
    """vLLM's and llama.cpp's: the code is the status."""
    if status == 401:
        return {"error": "Unauthorized"}
    types = {400: "BadRequestError", 404: "NotFoundError", 429: "TooManyRequestsError"}
    return {
        "error": {"message": message, "type": types.get(status, "InternalServerError"), "param": param, "code": status}
    }


def tgi(status: int, kind: str, code, message: str, param=None) -> dict:
    """TGI's: a string and a type."""
    types = {422: "validation", 429: "overloaded", 424: "generation", 404: "not_found"}
    return {"error": message, "error_type": types.get(status, "generation")}


def eurouter(status: int, kind: str, code, message: str, param=None) -> dict:
    """EUrouter's: a code in capitals and the request's id beside."""
    return {"error": {"code": (code or kind or "error").upper(), "message": message}, "requestId": "req_1"}


def portkey(status: int, kind: str, code, message: str, param=None) -> dict:
    """Portkey's: the provider's own error with the provider's name beside."""
    return {**openai(status, kind, code, message, param), "provider": "openai"}


def flat(status: int, kind: str, code, message: str, param=None) -> dict:
    """Cortecs' and the like: one sentence."""
    return {"detail": message}


def sglang(status: int, kind: str, code, message: str, param=None) -> dict:
    """SGLang's: flat."""
    return {"object": "error", "message": message, "type": kind, "param": param, "code": status}
