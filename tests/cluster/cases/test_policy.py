"""Where data may go, changed while pods run: each change is obeyed, and nobody loosens what is not theirs."""

import json
import unittest

from . import harness
from .harness import SYSTEM, Tenant, apply, kubectl, policy, refused, route, simulated


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.ensure_installed()
        cls.tenant = Tenant("policed", tier="gold")
        apply(simulated("lyon", "Lyon."), simulated("ohio", "Ohio.", "US"),
              route("both", "gpt-4o", [{"model": "lyon", "provider": {"name": "lyon", "namespace": SYSTEM}}, {"model": "ohio", "provider": {"name": "ohio", "namespace": SYSTEM}}], "policed"))
        cls.app = cls.tenant.app()

    def tearDown(self):
        for name in ("american", "gold", "tight"):
            kubectl("delete", "dpol", name, "-n", SYSTEM, "--ignore-not-found")
        kubectl("delete", "dpol", "own", "-n", "policed", "--ignore-not-found")
        harness.everything()
        self.app.hears("gpt-4o", "Lyon.")

    def test_a_policy_is_tightened_loosened_and_deleted(self):
        self.app.hears("gpt-4o", "Lyon.")

        apply(policy("everything", {"inferenceRegions": ["US"]}))
        self.app.hears("gpt-4o", "Ohio.")
        apply(policy("everything", {"inferenceRegions": ["CH"]}))
        self.app.hears("gpt-4o", "policy_denied")
        kubectl("delete", "dpol", "everything", "-n", SYSTEM)
        self.app.hears("gpt-4o", "no_data_policy")

    def test_a_namespaces_own_policy_only_tightens(self):
        apply(policy("own", {"inferenceRegions": ["US"]}, "policed"))
        self.app.hears("gpt-4o", "Ohio.")

        kubectl("delete", "dpol", "everything", "-n", SYSTEM)
        self.app.hears("gpt-4o", "no_data_policy")

    def test_a_relabelled_namespace_falls_under_other_policies(self):
        apply(policy("gold", {"namespaceSelector": {"matchLabels": {"tier": "silver"}}, "inferenceRegions": ["US"]}))
        self.app.hears("gpt-4o", "Lyon.")

        kubectl("label", "namespace", "policed", "tier=silver", "--overwrite")
        self.app.hears("gpt-4o", "Ohio.")
        kubectl("label", "namespace", "policed", "tier=gold", "--overwrite")
        self.app.hears("gpt-4o", "Lyon.")

    def test_a_relabelled_pod_falls_under_other_policies(self):
        apply(policy("tight", {"podSelector": {"matchLabels": {"data": "health"}}, "inferenceRegions": ["US"]}))
        kubectl("label", "pod", "app", "-n", "policed", "data=health")
        self.app.hears("gpt-4o", "Ohio.")

        kubectl("label", "pod", "app", "-n", "policed", "data-")
        self.app.hears("gpt-4o", "Lyon.")

    def test_a_withdrawn_consumer_loses_the_provider(self):
        apply(simulated("lyon", "Lyon.", consumers={"namespaceSelector": {"matchLabels": {"tier": "platinum"}}}))
        self.app.hears("gpt-4o", "Ohio.")

        apply(simulated("lyon", "Lyon."))
        self.app.hears("gpt-4o", "Lyon.")

    def test_a_tenant_that_attests_for_itself_is_not_believed(self):
        apply(simulated("own", "Own.", "CH", "policed"), route("own", "mine", [{"model": "own"}], "policed"))
        self.app.hears("mine", "Own.")

        apply(policy("everything", {"inferenceRegions": ["CH"]}))
        self.app.hears("mine", "policy_denied")
        status, body = self.app.ask("mine")
        self.assertEqual((status, body["error"]["metadata"]["excluded"][0]["reasons"]), (403, ["not_attested"]))

    def test_every_bad_manifest_is_refused_or_told_in_status(self):
        bad = {
            "Worldwide must stand alone": policy("bad", {"inferenceRegions": ["EU", "Worldwide"]}),
            "unknown field \"spec.inferenceRegion\"": policy("bad", {"inferenceRegion": ["EU"]}),
            "should be greater than or equal to 0": policy("bad", {"maxRetentionDays": -1}),
            "warnSeconds must be at most refuseSeconds": policy("bad", {"staleness": {"warnSeconds": 90, "refuseSeconds": 60}}),
            "baseURL may only be http://": harness.obj("LLMProvider", "bad", SYSTEM, {"vendor": "x", "api": "OpenAI", "baseURL": "http://a.example", "models": [{"name": "m"}]}),
            "Unsupported value: \"Sideways\"": harness.obj("ModelRoute", "bad", SYSTEM, {"models": ["m"], "tiers": [{"balance": "Sideways", "targets": [{"model": "m"}]}]}),
        }
        for expected, manifest in bad.items():
            with self.subTest(expected):
                self.assertIn(expected, refused("apply", "--validate=strict", "-f", "-", stdin=json.dumps(manifest)))

        apply(policy("own", {"namespaceSelector": {}, "inferenceRegions": ["FR"]}, "policed"))
        told = harness.wait("status says what is wrong", lambda: harness.conditions("dpol", "own", "policed").get("Accepted"))
        self.assertEqual((told["status"], told["reason"]), ("False", "PolicyInvalid"))
        self.assertIn("spec.namespaceSelector: may only be set in the root namespace", told["message"])
        self.app.hears("gpt-4o", "policy_denied")
