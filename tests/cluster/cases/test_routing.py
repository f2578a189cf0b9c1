"""What pods of a namespace share through the operator: limits, budgets, and what they learn of providers."""

import json
import secrets
import unittest

from . import harness
from .harness import SYSTEM, App, Failed, Tenant, apply, events, kubectl, lotse, policy, route, simulated, wait

DEAR = {"inputPerMillion": "0", "outputPerMillion": "10000"}


def statuses(app: App, model: str, count: int) -> list[str]:
    """The statuses of so many calls, one right after the other."""
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "hi"}}]}}'
    told = app.run("curl", "-s", "-m", "30", "-o", "/dev/null", "-w", "%{http_code}\n", "-H", "content-type: application/json",
                   "-d", body, f"http://127.0.0.1:14141/v1/chat/completions?[1-{count}]")
    return told.split()


class Routing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.ensure_installed()
        apply(policy("everything", {"inferenceRegions": ["EU"]}),
              simulated("well", "Well."), simulated("ill", "Ill.", simulated={"errorPercent": 100}),
              simulated("dear", "Dear.", models=[{"name": "dear", "price": DEAR}]))
        # What a namespace has spent today is known even after it has been deleted, so each run has another.
        cls.tenant = Tenant(f"tenant-shares-{secrets.token_hex(3)}")
        target = lambda *names: [{"model": name, "provider": {"name": name, "namespace": SYSTEM}} for name in names]  # noqa: E731
        apply(route("fair", "fair", target("well"), cls.tenant.name, limits={"requestsPerMinute": 60}),
              route("budget", "dear", target("dear"), cls.tenant.name, budget={"perDay": "0.05", "action": "Refuse"}),
              route("health", "health", target("ill", "well"), cls.tenant.name))
        cls.one, cls.two = cls.tenant.app("one"), cls.tenant.app("two")

    def test_a_limit_is_shared_between_the_pods_and_never_doubled(self):
        wait("both have a share", lambda: all(statuses(app, "fair", 1) == ["200"] for app in (self.one, self.two)), 60)

        heard = {app.name: statuses(app, "fair", 60) for app in (self.one, self.two)}

        answered = {name: heard[name].count("200") for name in heard}
        self.assertEqual({status for each in heard.values() for status in each}, {"200", "429"}, heard)
        # Ten seconds' worth at once, and what is refilled while sixty calls are made from each.
        self.assertLessEqual(sum(answered.values()), 10 + 15, answered)

    def test_a_budget_that_one_pod_has_spent_is_spent_for_the_other_and_after_the_operator_is_replaced(self):
        spent = statuses(self.one, "dear", 10)
        self.assertIn("402", spent)
        self.assertLessEqual(spent.count("200"), 6, spent)
        self.two.hears("dear", "budget_exhausted")
        wait("people are told", lambda: events(self.tenant.name, "BudgetSpent"), 60)
        wait("it is kept", lambda: self.tenant.name in kubectl("get", "configmap", "lotse-spend", "-n", SYSTEM, "-o", "yaml"), 30)

        kubectl("rollout", "restart", "deployment/lotse-controller", "-n", SYSTEM)
        kubectl("rollout", "status", "deployment/lotse-controller", "-n", SYSTEM, "--timeout=120s")

        self.tenant.app("three").hears("dear", "budget_exhausted", 60)

    def test_what_one_pod_learns_of_a_provider_the_other_knows_in_a_second(self):
        # An operator that was replaced a moment ago is found again after a wait; those who follow it hear within a second.
        wait("both follow", lambda: follow(self.tenant.name) >= {"one", "two"}, 60)
        self.assertEqual(first(self.two), "lotse-system/ill")

        self.assertEqual(statuses(self.one, "health", 3), ["200"] * 3)

        wait("the other asks who is well first", lambda: first(self.two) == "lotse-system/well" or fail(self.two), 3)


def follow(namespace: str) -> set[str]:
    """The pods of a namespace whose sidecars follow the operator and hold what is current."""
    told = json.loads(lotse("status", "-n", namespace, "-o", "json", check=False))
    return {each["pod"].partition("/")[2] for each in told["sidecars"] if each["state"] == "current"}


def first(app: App) -> str:
    """Who would be asked first."""
    return app.admin("/explain?model=health")["candidates"][0]["provider"]


def fail(app: App):
    raise Failed(first(app))
