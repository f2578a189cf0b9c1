"""What breaks: the operator, the API server, certificates, a sidecar. Calls go on, and what was decided stays decided."""

import json
import os
import subprocess
import unittest

from . import harness
from .harness import NODE, SYSTEM, Load, Tenant, apply, kubectl, leader, lotse, policy, route, run, simulated, wait


def node(*arguments: str) -> None:
    run(str(NODE), *arguments)


#: Whether the node is ours to break.
OURS = os.environ.get("LOTSE_CLUSTER_NODE") == "ours"


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.ensure_installed()
        cls.tenant = Tenant("faulty")
        apply(simulated("calm", "Calm."), simulated("iowa", "Iowa.", "US"))
        apply(route("both", "gpt-4o", [{"model": "calm", "provider": {"name": "calm", "namespace": SYSTEM}}, {"model": "iowa", "provider": {"name": "iowa", "namespace": SYSTEM}}], "faulty"))
        cls.app = cls.tenant.app()
        cls.app.hears("gpt-4o", "Calm.")

    def tearDown(self):
        harness.everything()
        self.app.hears("gpt-4o", "Calm.", 90)

    def obeys(self, seconds: float = 60) -> None:
        """A tightened policy arrives."""
        apply(policy("everything", {"inferenceRegions": ["US"]}))
        self.app.hears("gpt-4o", "Iowa.", seconds)

    def test_both_replicas_restart_without_a_failed_call(self):
        load = Load(self.app, "gpt-4o")
        for part in ("controller", "injector"):
            kubectl("rollout", "restart", f"deployment/lotse-{part}", "-n", SYSTEM)
        for part in ("controller", "injector"):
            kubectl("rollout", "status", f"deployment/lotse-{part}", "-n", SYSTEM, "--timeout=120s")
        self.obeys()
        seen = load.stop()

        self.assertEqual(set(seen), {"Calm.", "Iowa."}, seen)

    def test_a_killed_leader_is_replaced(self):
        first = wait("somebody leads", leader)
        load = Load(self.app, "gpt-4o")

        kubectl("delete", "pod", first, "-n", SYSTEM, "--grace-period=0", "--force", "--wait=false")
        wait("another leads", lambda: leader() not in ("", first), 60)
        self.obeys()
        seen = load.stop()

        self.assertEqual(set(seen), {"Calm.", "Iowa."}, seen)

    def test_without_an_operator_calls_go_on_until_the_policy_is_stale_and_then_again(self):
        apply(policy("everything", {"inferenceRegions": ["Worldwide"], "staleness": {"warnSeconds": 15, "refuseSeconds": 30}}))
        wait("the sidecar holds it", lambda: self.app.admin("/snapshot")["snapshot"]["policies"][0]["staleness"]["refuseSeconds"] == 30)
        kubectl("scale", "deployment/lotse-controller", "-n", SYSTEM, "--replicas=0")
        try:
            wait("the controller is away", lambda: kubectl("get", "pods", "-n", SYSTEM, "-l", "app.kubernetes.io/component=controller", "-o", "name") == "")
            self.assertEqual(self.app.says("gpt-4o"), "Calm.", "at first it goes on")
            self.app.hears("gpt-4o", "policy_stale", 60)
            ready = kubectl("get", "pod", "app", "-n", "faulty", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}")
            self.assertEqual(ready, "True", "the pod stays ready")
            self.assertIn("has not confirmed the policy", kubectl("logs", "app", "-n", "faulty", "-c", "lotse-sidecar"))
        finally:
            kubectl("scale", "deployment/lotse-controller", "-n", SYSTEM, "--replicas=2")
            kubectl("rollout", "status", "deployment/lotse-controller", "-n", SYSTEM, "--timeout=90s")
        self.app.hears("gpt-4o", "Calm.", 60)

    @unittest.skipUnless(OURS, "the network of a given cluster is not ours to cut")
    def test_a_leader_that_is_cut_off_from_the_api_server_gives_way(self):
        first = wait("somebody leads", leader)
        address = harness.get("pod", first)["status"]["podIP"]
        load = Load(self.app, "gpt-4o")
        node("cut", address, "10.96.0.1")
        try:
            wait("another leads", lambda: leader() not in ("", first), 60)
            self.obeys(60)
        finally:
            node("mend")
        seen = load.stop()

        self.assertEqual(set(seen), {"Calm.", "Iowa."}, seen)

    @unittest.skipUnless(OURS, "the API server of a given cluster is not ours to stop")
    def test_the_api_server_and_etcd_restart(self):
        load = Load(self.app, "gpt-4o")
        node("restart", "apiserver")
        node("restart", "etcd")
        wait("the API server is back", lambda: kubectl("get", "--raw", "/readyz") == "ok", 120)
        self.obeys(120)
        seen = load.stop()

        self.assertEqual(set(seen), {"Calm.", "Iowa."}, seen)

    def test_certificates_and_their_authority_are_rotated(self):
        before = harness.get("secret", "lotse-controller-tls")["data"]
        load = Load(self.app, "gpt-4o")
        kubectl("delete", "secret", "lotse-ca", "-n", SYSTEM)

        both = wait("both authorities are believed", lambda: harness.get("secret", "lotse-controller-tls")["data"] if harness.get("secret", "lotse-controller-tls")["data"]["ca.crt"] != before["ca.crt"] else None)
        self.assertEqual(both["tls.crt"], before["tls.crt"], "the old one still serves")
        wait("the new authority signs", lambda: harness.get("secret", "lotse-controller-tls")["data"]["tls.crt"] != before["tls.crt"], 60)
        kubectl("delete", "pod", wait("somebody leads", leader), "-n", SYSTEM)
        self.obeys(90)
        seen = load.stop()
        self.assertEqual(set(seen), {"Calm.", "Iowa."}, seen)
        self.tenant.app("fresh").hears("gpt-4o", "Iowa.")

    def test_a_sidecar_that_is_killed_in_a_stream_comes_back_and_its_pod_stays(self):
        name = self.tenant.app("killed")
        name.hears("gpt-4o", "Calm.")
        slow = {"answer": "one two three four five six seven eight nine ten " * 20, "tokensPerSecond": 5}
        apply(simulated("slow", "", simulated=slow), route("slow", "slow", [{"model": "slow", "provider": {"name": "slow", "namespace": SYSTEM}}], "faulty"))
        wait("the slow model is there", lambda: "slow" in name.run("curl", "-s", "http://127.0.0.1:14141/v1/models"))
        body = json.dumps({"model": "slow", "stream": True, "messages": []})
        stream = subprocess.Popen(["kubectl", "exec", "killed", "-n", "faulty", "-c", "app", "--", "curl", "-sN", "-H", "content-type: application/json", "-d", body, "http://127.0.0.1:14141/v1/chat/completions"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("data:", stream.stdout.readline())
        uid = name.uid()
        kill = "for p in /proc/[0-9]*; do if grep -q lotse-sidecar $p/cmdline 2>/dev/null && grep -qE \"%s\" $p/cgroup; then kill -9 ${p#/proc/}; fi; done" % uid.replace("-", "[-_]")
        if not OURS:
            self.skipTest("the processes of a given cluster's node are not here")
        run("bash", "-c", kill)
        said, _ = stream.communicate(timeout=30)
        self.assertNotEqual(stream.returncode, 0, "the app is told that its stream broke")
        self.assertNotIn("[DONE]", said)

        wait("it has been restarted", lambda: harness.get("pod", "killed", "faulty")["status"]["initContainerStatuses"][0]["restartCount"] == 1)
        name.hears("gpt-4o", "Calm.")
        self.assertEqual(harness.get("pod", "killed", "faulty")["status"]["containerStatuses"][0]["restartCount"], 0)

    def test_every_sidecar_is_current_in_the_end(self):
        wait("all are current", lambda: "current" in lotse("status", "-n", "faulty", check=False))
