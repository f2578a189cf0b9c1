"""Against whom: one row a target. From a row come the manifests: an LLMProvider, its Secret, and its ModelRoutes."""

import json
from dataclasses import dataclass, field

from tests.fakes import sigv4
from tests.fakes.compatible import RULES
from tests.fakes.vendors import (
    API_VERSION,
    CLAUDE,
    CLAUDE_ON_BEDROCK,
    CLAUDE_ON_VERTEX,
    LOCATION,
    PROJECT,
    REGION,
    TITAN,
    key,
)

PLACE = f"/v1/projects/{PROJECT}/locations/{LOCATION}/publishers"
VERTEX = {"region": LOCATION, "project": PROJECT}
PORTKEY = {"headers": [{"name": "x-portkey-provider", "value": "openai"}]}


@dataclass(frozen=True)
class Target:
    """A provider: `fake` and `path` say where it listens, `auth` how the sidecar shows its key."""

    name: str
    vendor: str
    fake: str
    path: str
    model: str
    embeddings: str | None = None
    auth: str = "key"
    spec: dict = field(default_factory=dict)


NATIVE = [
    Target("openai", "openai", "openai", "/v1", "gpt-5.5", "text-embedding-3-small"),
    Target("azure", "azure-openai", "azure", "/openai/v1", "gpt-5.5", "gpt-5.5"),
    Target("azure-dated", "azure-openai", "azure", "", "gpt-5.5", "gpt-5.5", spec={"apiVersion": API_VERSION}),
    Target("anthropic", "anthropic", "anthropic", "", CLAUDE),
    Target("claude-on-foundry", "azure-openai", "foundry", "/anthropic", CLAUDE, spec={"api": "Anthropic"}),
    Target(
        "claude-on-vertex",
        "google-vertex",
        "vertex",
        f"{PLACE}/anthropic",
        CLAUDE_ON_VERTEX,
        auth="bearer",
        spec={"api": "Anthropic", **VERTEX},
    ),
    Target(
        "claude-on-bedrock",
        "aws-bedrock",
        "bedrock",
        "",
        CLAUDE_ON_BEDROCK,
        auth="aws",
        spec={"api": "Anthropic", "region": REGION},
    ),
    Target("bedrock", "aws-bedrock", "bedrock", "", CLAUDE_ON_BEDROCK, TITAN, auth="aws", spec={"region": REGION}),
    Target("bedrock-with-key", "aws-bedrock", "bedrock", "", CLAUDE_ON_BEDROCK, TITAN, spec={"region": REGION}),
    Target("gemini", "google-gemini", "gemini", "/v1beta", "gemini-3-pro", "gemini-embedding-001"),
    Target(
        "vertex",
        "google-vertex",
        "vertex",
        f"{PLACE}/google",
        "gemini-3-pro",
        "gemini-embedding-001",
        auth="bearer",
        spec=VERTEX,
    ),
]
# Vendors whose row has their own base URL need nothing more; those that everyone runs for themselves neither.
COMPATIBLE = [
    Target(
        rules.name,
        rules.name,
        rules.name,
        bases[0],
        rules.models[0],
        rules.models[0] if "embeddings" in surfaces else None,
        spec=PORTKEY if rules.name == "portkey" else {},
    )
    for rules, bases, surfaces in RULES
    if rules.name != "openai"
]
TARGETS = NATIVE + COMPATIBLE


def manifests(fakes_url: str, targets: list[Target], unsupported: str = "Refuse") -> dict[str, str]:
    """File names and texts: a policy that lets data go anywhere, and each target. JSON is YAML.

    `unsupported` is what routes do with a field that a provider cannot carry: `Refuse` or `Drop`.
    """
    everywhere = {"inferenceRegions": ["Worldwide"]}
    common = [
        _object("Namespace", "v1", "support", {}, namespace=None),
        _object("DataPolicy", "lotse.dev/v1alpha1", "everywhere", {"spec": everywhere}),
    ]
    files = {"common.yaml": common}
    for target in targets:
        files[f"{target.name}.yaml"] = [_secret(target), _provider(target, fakes_url), *_routes(target, unsupported)]
    return {name: "\n---\n".join(json.dumps(each, indent=1) for each in objects) for name, objects in files.items()}


def _object(kind: str, version: str, name: str, rest: dict, namespace: str | None = "lotse-system") -> dict:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place}, **rest}


def _secret(target: Target) -> dict:
    data = {
        "key": key(target.fake),
        "bearer": f"Bearer {key(target.fake)}",
        "id": sigv4.ACCESS_KEY,
        "secret": sigv4.SECRET_KEY,
    }
    return _object("Secret", "v1", target.name, {"stringData": data})


def _provider(target: Target, fakes_url: str) -> dict:
    def ref(name: str) -> dict:
        return {"name": target.name, "key": name}

    ways = {
        "key": {"credential": {"type": "APIKey", "apiKey": {"secretRef": ref("key")}}},
        "bearer": {"headers": [{"name": "authorization", "secretRef": ref("bearer")}]},
        "aws": {
            "credential": {
                "type": "AWS",
                "aws": {"staticKeys": {"accessKeyIDRef": ref("id"), "secretAccessKeyRef": ref("secret")}},
            }
        },
    }
    models = [{"name": target.name, "upstreamName": target.model}]
    if target.embeddings:
        models.append({"name": f"{target.name}-embeddings", "upstreamName": target.embeddings})
    spec = {
        "vendor": target.vendor,
        "baseURL": f"{fakes_url}/{target.fake}{target.path}",
        "allowedAddresses": ["127.0.0.0/8"],
        "consumers": {"namespaceSelector": {}},
        "models": models,
        **ways[target.auth],
        **target.spec,
    }
    return _object("LLMProvider", "lotse.dev/v1alpha1", target.name, {"spec": spec})


def _routes(target: Target, unsupported: str) -> list[dict]:
    names = [target.name] + ([f"{target.name}-embeddings"] if target.embeddings else [])
    provider = {"name": target.name, "namespace": "lotse-system"}
    # Refuse is the default.
    more = {} if unsupported == "Refuse" else {"unsupportedFields": unsupported}
    specs = {
        name: {"models": [name], "tiers": [{"targets": [{"model": name, "provider": provider}]}], **more}
        for name in names
    }
    return [
        _object("ModelRoute", "lotse.dev/v1alpha1", name, {"spec": spec}, "support") for name, spec in specs.items()
    ]
