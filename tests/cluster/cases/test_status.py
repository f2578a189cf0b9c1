"""What `kubectl get`, Events and `lotse` tell: does it work, and if not, why."""

import datetime
import itertools
import json
import re
import unittest

from . import harness
from .harness import SYSTEM, Tenant, apply, conditions, kubectl, lotse, policy, route, simulated, wait


def holds(kind: str, name: str, namespace: str, aspect: str, status: str, reason: str) -> dict:
    """Waits until a condition is so, and gives it."""
    def found():
        condition = conditions(kind, name, namespace).get(aspect, {})
        return condition if (condition.get("status"), condition.get("reason")) == (status, reason) else None
    return wait(f"{kind} {namespace}/{name} is {aspect}={status} ({reason})", found, 40)


class Status(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.ensure_installed()
        cls.tenant = Tenant("told")
        apply(simulated("nice", "Nice."), simulated("utah", "Utah.", "US"))
        apply(route("two", "gpt-4o", [{"model": "nice", "provider": {"name": "nice", "namespace": SYSTEM}}, {"model": "utah", "provider": {"name": "utah", "namespace": SYSTEM}}], "told"))
        cls.app = cls.tenant.app()
        cls.app.hears("gpt-4o", "Nice.")

    def tearDown(self):
        harness.everything()

    def test_everything_has_its_four_conditions_and_each_names_the_generation(self):
        holds("mroute", "two", "told", "Ready", "True", "Ready")
        for kind, name, namespace in (("mroute", "two", "told"), ("llmp", "nice", SYSTEM), ("dpol", "everything", SYSTEM)):
            found = wait("there are conditions", lambda: conditions(kind, name, namespace))
            self.assertLessEqual({"Accepted", "ResolvedRefs", "Programmed", "Ready"}, set(found))
            generation = harness.get(kind, name, namespace)["metadata"]["generation"]
            wait("they are of this generation", lambda: {each["observedGeneration"] for each in conditions(kind, name, namespace).values()} == {generation})

    def test_the_columns_answer_whether_it_works(self):
        holds("mroute", "two", "told", "Programmed", "True", "Programmed")

        def row(kind: str, name: str, namespace: str) -> dict:
            header, line = kubectl("get", kind, name, "-n", namespace).splitlines()
            starts = [found.start() for found in re.finditer(r"\S+", header)] + [None]
            return {header[start:end].strip(): line[start:end].strip() for start, end in itertools.pairwise(starts)}

        found = wait("the columns are filled", lambda: row("mroute", "two", "told") if row("mroute", "two", "told").get("READY") == "True" else None)
        self.assertEqual({key: found[key] for key in ("MODELS", "ELIGIBLE", "SIDECARS", "READY", "REASON")},
                         {"MODELS": "gpt-4o", "ELIGIBLE": "2/2", "SIDECARS": "1/1", "READY": "True", "REASON": "Ready"})
        self.assertEqual(row("llmp", "nice", SYSTEM)["REGIONS"], "FR")
        self.assertEqual(row("dpol", "everything", SYSTEM)["REGIONS"], "Worldwide")

    def test_a_policy_that_strands_a_route_says_which_and_the_route_says_why(self):
        apply(policy("everything", {"inferenceRegions": ["CH"]}))

        why = holds("mroute", "two", "told", "Ready", "False", "NoEligibleProvider")
        self.assertIn("inference may be in FR; the policy allows CH", why["message"])
        self.assertIn("told/two", holds("dpol", "everything", SYSTEM, "StrandsRoutes", "True", "NoEligibleProvider")["message"])
        excluded = harness.get("mroute", "two", "told")["status"]["candidates"]
        self.assertEqual([each["state"] for each in excluded], ["Excluded", "Excluded"])
        self.assertEqual(excluded[0]["reasons"][0]["policy"], "lotse-system/everything")
        wait("an Event says so", lambda: harness.events("told", "NoEligibleProvider"))

    def test_what_strands_within_thirty_days_is_told_today(self):
        soon = (datetime.date.today() + datetime.timedelta(days=10)).isoformat()
        ending = simulated("nice", "Nice.")
        ending["spec"]["evidence"][0]["validUntil"] = soon
        apply(ending, policy("everything", {"inferenceRegions": ["FR"]}))

        told = holds("mroute", "two", "told", "LosesLastCandidate", "True", "EndsSoon")
        self.assertIn(f"from {soon} nobody is left", told["message"])
        holds("dpol", "everything", SYSTEM, "LosesLastCandidate", "True", "EndsSoon")

        apply(simulated("nice", "Nice."))
        wait("the warning is gone", lambda: "LosesLastCandidate" not in conditions("mroute", "two", "told"))

    def test_a_missing_secret_is_told_and_its_coming_too(self):
        secret, provider = harness.keyed("lost", "https://lost.example/v1", "k", SYSTEM)
        apply(provider)
        why = holds("llmp", "lost", SYSTEM, "ResolvedRefs", "False", "CredentialsNotFound")
        self.assertIn("Secret lotse-system/key-lost has no key `key`", why["message"])

        apply(secret)
        holds("llmp", "lost", SYSTEM, "ResolvedRefs", "True", "ResolvedRefs")

    def test_the_command_line_tells_the_same(self):
        status = json.loads(lotse("status", "-n", "told", "-o", "json", check=False))["sidecars"]
        self.assertEqual([(each["pod"], each["state"]) for each in status], [("told/app", "current")])
        explained = json.loads(lotse("explain", "--from", "pod/app", "-n", "told", "--model", "gpt-4o", "-o", "json"))
        self.assertEqual(explained["revision"], self.app.revision())
        self.assertEqual([each["provider"] for each in explained["candidates"]], ["lotse-system/nice", "lotse-system/utah"])
        checked = json.loads(lotse("check", "-o", "json", check=False))["checks"]
        self.assertEqual([each for each in checked if each["grade"] == "error"], [])

    def test_the_quick_start_runs_in_the_cluster(self):
        kubectl("delete", "dpol", "everything", "-n", SYSTEM)
        try:
            apply(*[file.read_text() for file in sorted((harness.ROOT / "tests/manifests/quickstart").glob("*.yaml"))])
            support = Tenant.__new__(Tenant)
            support.name = "support"
            kubectl("label", "namespace", "support", "lotse.dev/inject=enabled")
            harness._namespaces.append("support")
            app = support.app("desk")
            wait("somebody in Europe answers", lambda: app.says("gpt-4o") in ("Bonjour from Paris.", "Guten Tag from Frankfurt.", "Dia duit from Dublin."))
            excluded = {each["provider"] for each in json.loads(lotse("explain", "--from", "pod/desk", "-n", "support", "--model", "gpt-4o", "-o", "json"))["candidates"] if not each["eligible"]}
            self.assertIn("lotse-system/virginia", excluded)
        finally:
            kubectl("delete", "dpol", "european-data", "-n", SYSTEM, "--ignore-not-found")
            kubectl("delete", "mroute", "assistant", "-n", SYSTEM, "--ignore-not-found")
