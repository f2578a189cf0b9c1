"""A world for apps that were written for OpenRouter: simulated providers, cheap and dear, well and ill."""

from pathlib import Path

from .scripted import EVERYWHERE
from .sidecar import Sidecar

# The name, the vendor, dollars for a million tokens in and out, where it is, for how many days it keeps, how it is.
PROVIDERS = [
    ("paris", "mistral", "2.00", "6.00", "FR", 0, ""),
    ("frankfurt", "together", "0.90", "2.70", "DE", 0, ""),
    ("virginia", "openai", "0.15", "0.60", "US", 30, ""),
    ("ill", "deepseek", "0.10", "0.10", "US", 30, ", errorPercent: 100, errorStatus: 503"),
]

PROVIDER = """
apiVersion: lotse.dev/v1alpha1
kind: LLMProvider
metadata: {{name: {name}, namespace: lotse-system}}
spec:
  vendor: {vendor}
  api: Simulated
  consumers: {{namespaceSelector: {{}}}}
  models:
  - {{name: large, price: {{inputPerMillion: "{price_in}", outputPerMillion: "{price_out}"}}}}
  - {{name: only-{name}, price: {{inputPerMillion: "{price_in}", outputPerMillion: "{price_out}"}}}}
  evidence: [{{name: dpa, kind: Contractual, source: "a contract"}}]
  promises:
    inference: {{regions: [{country}], evidence: [dpa]}}
    storage: {{regions: [{country}], evidence: [dpa]}}
    access: {{regions: [{country}], evidence: [dpa]}}
    retention: {{days: {days}, evidence: [dpa]}}
    training: {{onCustomerData: false, evidence: [dpa]}}
  simulated: {{answer: "hello from {name}"{how}}}
"""

ROUTE = """
apiVersion: lotse.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}, namespace: lotse-system}}
spec:
  namespaceSelector: {{}}
  models: {models}
  tiers: [{{balance: Order, targets: [{targets}]}}]
  {more}
"""


def _route(name: str, models: str, targets: list[str], more: str = "") -> str:
    listed = ", ".join(f"{{model: large, provider: {{name: {target}}}}}" for target in targets)
    return ROUTE.format(name=name, models=models, targets=listed, more=more)


def _provider(name, vendor, price_in, price_out, country, days, how) -> str:
    return PROVIDER.format(
        name=name,
        vendor=vendor,
        price_in=price_in,
        price_out=price_out,
        country=country,
        days=days,
        how=how,
    )


def sidecar(folder: str) -> Sidecar:
    """A sidecar in this world, where `gpt-4o` is asked of all in the order above; `folder` is empty."""
    everybody = [name for name, *_ in PROVIDERS]
    objects = [
        EVERYWHERE,
        *(_provider(*each) for each in PROVIDERS),
        _route("everybody", '[gpt-4o, "openai/gpt-4o"]', everybody),
        _route("broken", "[broken]", ["ill"]),
        _route("stubborn", "[stubborn]", everybody, "requestPreferences: Ignore"),
    ]
    return Sidecar(Path(folder), "support", {"world.yaml": "\n---\n".join(objects)})
