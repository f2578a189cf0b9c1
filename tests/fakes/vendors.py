"""The table of fakes: who listens under which prefix, at which paths, with which key, and what each wants.

The first part of a path names the vendor; what follows is the path as the real one has it. `key(name)` is the one key
that a vendor takes.
"""

import re
from typing import Callable

from . import bedrock, chat, envelopes, gemini, messages, responses, sigv4
from .chat import Rules
from .compatible import ALL, ENDPOINTS, RULES, compatible
from .keys import bearer, header, key, portkey
from .server import Answer, Refused, Request, of_json

REGION, PROJECT, LOCATION, API_VERSION = "eu-central-1", "lotse-test", "europe-west3", "2024-10-21"
CLAUDE = "claude-sonnet-4-5"
CLAUDE_ON_VERTEX = "claude-sonnet-4-5@20250929"
CLAUDE_ON_BEDROCK = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEWER_ON_BEDROCK = "eu.anthropic.claude-opus-4-7"
TITAN = "amazon.titan-embed-text-v2:0"
DATED = ("completions", "embeddings", "images", "speech", "transcriptions")


def anthropic(request: Request) -> Answer:
    """Anthropic's own host."""
    messages.authenticated(request, key("anthropic"))
    return _messages(request, messages.Rules("anthropic", (CLAUDE,)), "/v1")


def foundry(request: Request) -> Answer:
    """Claude on Microsoft Foundry: the same body; the key in one or both of two headers."""
    if complaint := header("foundry", "x-api-key", "api-key")(request):
        raise Refused(of_json(401, envelopes.azure(401, "", None, "")), complaint)
    messages.versioned(request)
    return _messages(request, messages.Rules("foundry", (CLAUDE,)), "/anthropic/v1")


def _messages(request: Request, rules: messages.Rules, base: str) -> Answer:
    if (request.method, request.path) == ("POST", f"{base}/messages"):
        return messages.answer(request, rules)
    if (request.method, request.path) == ("POST", f"{base}/messages/count_tokens"):
        return messages.count(request, rules)
    if (request.method, request.path) == ("GET", f"{base}/models"):
        return messages.models(rules)
    raise Refused(of_json(404, messages.error_body("not_found_error", "Not found")), f"no endpoint {request.path}")


def google(request: Request) -> Answer:
    """The Gemini API."""
    if complaint := header("gemini", "x-goog-api-key")(request):
        details = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
        }
        told = gemini.error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", details)
        raise Refused(told, complaint)
    found = re.fullmatch(r"/v1(?:beta)?/models/([^/:]+):(\w+)", request.path)
    if not found:
        raise Refused(Answer(404, {"content-type": "text/html"}, b"<html>404</html>"), f"no endpoint {request.path}")
    return gemini.answer(request, gemini.Rules("gemini", ("gemini-3-pro", "gemini-embedding-001")), found[1], found[2])


def vertex(request: Request) -> Answer:
    """Vertex AI: Gemini's models and Anthropic's, in one project and location."""
    if complaint := bearer("vertex")(request):
        raise Refused(gemini.error(*gemini.ERRORS["401"]), complaint)
    place = f"/v1(?:beta1)?/projects/{PROJECT}/locations/{LOCATION}/publishers"
    found = re.fullmatch(place + r"/(google|anthropic)/models/([^/:]+):(\w+)", request.path)
    if not found:
        raise Refused(gemini.error(404, "NOT_FOUND", "not found"), f"no endpoint {request.path}")
    publisher, model, method = found[1], found[2].replace("%40", "@"), found[3]
    if publisher == "google":
        return gemini.answer(request, gemini.Rules("vertex", ("gemini-3-pro", "gemini-embedding-001")), model, method)
    rules = messages.Rules("vertex", (CLAUDE_ON_VERTEX,), frozenset({"vertex-2023-10-16", messages.LATEST}))
    if model == "count-tokens":
        return messages.count(request, messages.Rules("vertex", (CLAUDE_ON_VERTEX,), rules.versions, {"model": str}))
    if method not in ("rawPredict", "streamRawPredict"):
        raise Refused(gemini.error(404, "NOT_FOUND", "no such method"), f"no method {method}")
    answer = messages.answer(request, rules, model)
    if (method == "streamRawPredict") == isinstance(answer.body, bytes) and answer.status == 200:
        request.remark(f"{method} does not fit the body's `stream`")
    return answer


def aws(request: Request) -> Answer:
    """Bedrock: a signature of the known key, or a Bedrock API key."""
    if request.header("authorization") != f"Bearer {key('bedrock')}":
        complaint = sigv4.complaint(request, REGION, "bedrock")
        if complaint:
            message = "The request signature we calculated does not match the signature you provided."
            raise Refused(bedrock.error(403, "InvalidSignatureException", message), complaint)
    return bedrock.answer(
        request, bedrock.Rules("bedrock", (CLAUDE_ON_BEDROCK, NEWER_ON_BEDROCK, TITAN), frozenset({NEWER_ON_BEDROCK}))
    )


def azure(request: Request) -> Answer:
    """Azure OpenAI: the v1 API, and the dated one with the deployment in the path."""
    rules = Rules("azure", ("gpt-5.5",), envelope=envelopes.azure, filters=True, refuses=frozenset({"max_tokens"}))
    check = bearer("azure") if request.header("authorization") else header("azure", "api-key")
    version = dict(request.query).get("api-version")
    dated = re.fullmatch(r"/openai/deployments/([^/]+)(/.+)", request.path)
    if not dated and request.path != "/openai/responses":
        if version not in (None, "preview", "latest"):
            request.remark(f"the v1 API has no dated version, and not {version}")
        return compatible(rules, ("/openai/v1",), ALL, check)(request)
    if version != API_VERSION:
        raise Refused(
            of_json(404, {"error": {"code": "404", "message": "Resource not found"}}), "api-version is missing"
        )
    if complaint := check(request):
        raise Refused(of_json(401, envelopes.azure(401, "", None, "")), complaint)
    if not dated:
        return responses.answer(request, rules)
    if dated[1] not in rules.models:
        told = {
            "error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}
        }
        raise Refused(of_json(404, told), f"there is no deployment {dated[1]}")
    if dated[2] == "/chat/completions":
        return chat.answer(request, rules, model=dated[1])
    found = [endpoint for name, (_, path, endpoint) in ENDPOINTS.items() if name in DATED and path == dated[2]]
    if not found:
        raise Refused(of_json(404, {"error": {"code": "404", "message": "Resource not found"}}), f"no {dated[2]}")
    return found[0](request, rules)


CHECKS = {"portkey": portkey, "ollama": lambda request: None}
VENDORS: dict[str, Callable[[Request], Answer]] = {
    **{rules.name: compatible(rules, bases, surfaces, CHECKS.get(rules.name)) for rules, bases, surfaces in RULES},
    "anthropic": anthropic,
    "foundry": foundry,
    "gemini": google,
    "vertex": vertex,
    "bedrock": aws,
    "azure": azure,
}
