"""Whose keys are where: each sidecar has its own workload's and no others, in its stream and in its memory."""

import os
import re
import unittest
from pathlib import Path

from . import harness
from .harness import SYSTEM, App, Tenant, apply, key, keyed, kubectl, route, wait


def memory_of(app: App) -> bytes:
    """All that the pod's sidecar has in memory. The node is this machine."""
    uid = app.uid()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = b"lotse-sidecar" in (folder / "cmdline").read_bytes().split(b"\0")[0]
            if is_ours and re.search(uid.replace("-", "[-_]"), (folder / "cgroup").read_text()):
                return b"".join(_regions(folder))
        except OSError:
            continue
    raise AssertionError(f"no sidecar runs for {app.tenant.name}/{app.name}")


def _regions(folder: Path):
    with open(folder / "mem", "rb", buffering=0) as memory:
        for line in (folder / "maps").read_text().splitlines():
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(at, 16) for at in span.split("-"))
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except OSError:
                continue


def count(needle: str, where: bytes) -> int:
    return where.count(needle.encode())


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.ensure_installed()
        cls.url = harness.echo_provider()
        cls.one, cls.two = Tenant("tenant-one"), Tenant("tenant-two")
        # A tenant's own provider has its key where the controller may read it only if the chart says so; these are the root's.
        for name, secret in (("one", "canary-of-one-5512"), ("two", "canary-of-two-7731")):
            consumers = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": f"tenant-{name}"}}}
            apply(*keyed(f"echo-{name}", cls.url, secret, SYSTEM, consumers=consumers))
            apply(route("echo", "gpt-4o", [{"model": f"echo-{name}", "provider": {"name": f"echo-{name}", "namespace": SYSTEM}}], f"tenant-{name}"))
        cls.first, cls.second = cls.one.app(), cls.two.app()

    def test_each_tenants_calls_carry_its_own_key(self):
        self.first.hears("gpt-4o", "shown " + "canary-of-one-5512"[::-1])
        self.second.hears("gpt-4o", "shown " + "canary-of-two-7731"[::-1])

    @unittest.skipUnless(os.geteuid() == 0 and Path("/proc/self/mem").exists(), "only root of the node can read a sidecar's memory")
    def test_no_sidecars_memory_holds_anothers_key_or_address(self):
        self.test_each_tenants_calls_carry_its_own_key()
        one, two = memory_of(self.first), memory_of(self.second)

        self.assertGreater(count("canary-of-one-5512", one), 0, "its own key is there, so looking finds keys")
        self.assertEqual(count("canary-of-two-7731", one), 0)
        self.assertEqual(count("canary-of-one-5512", two), 0)

    def test_what_a_sidecar_shows_holds_no_key_and_of_a_refused_provider_no_address(self):
        apply(route("peek", "peek", [{"model": "echo-two", "provider": {"name": "echo-two", "namespace": SYSTEM}}], "tenant-one"))
        self.first.hears("peek", "no_eligible_provider")

        shown = str(self.first.admin("/snapshot"))

        self.assertNotIn("canary", shown)
        peek = [each for each in self.first.admin("/snapshot")["snapshot"]["routes"] if each["name"] == "tenant-one/peek"][0]
        self.assertNotIn("echo.echo", str(peek))
        self.assertIn("consumer_not_allowed", str(peek))

    def test_a_secret_is_rotated_under_load_without_a_failed_call(self):
        load = harness.Load(self.first, "gpt-4o")
        for turn in range(3):
            apply(key("echo-one", f"rotated-{turn}", SYSTEM))
            self.first.hears("gpt-4o", "shown " + f"rotated-{turn}"[::-1])
        apply(key("echo-one", "canary-of-one-5512", SYSTEM))
        self.first.hears("gpt-4o", "shown " + "canary-of-one-5512"[::-1])
        seen = load.stop()

        self.assertEqual([answer for answer in seen if not answer.startswith("shown ")], [], seen)
        self.assertGreaterEqual(len(seen), 4)

    def test_a_deleted_secret_takes_the_provider_away(self):
        kubectl("delete", "secret", "key-echo-two", "-n", SYSTEM)
        self.second.hears("gpt-4o", "no_eligible_provider")

        apply(key("echo-two", "canary-of-two-7731", SYSTEM))
        self.second.hears("gpt-4o", "shown " + "canary-of-two-7731"[::-1])

    def test_logs_events_and_status_hold_no_key(self):
        self.test_each_tenants_calls_carry_its_own_key()
        places = [kubectl("logs", "-n", SYSTEM, "-l", "app.kubernetes.io/name=lotse", "--all-containers", "--tail=-1"),
                  kubectl("logs", "app", "-n", "tenant-one", "-c", "lotse-sidecar"), kubectl("get", "events", "-A", "-o", "yaml"),
                  kubectl("get", "llmp,mroute,dpol", "-A", "-o", "yaml"), kubectl("get", "pods", "-n", "tenant-one", "-o", "yaml")]

        self.assertEqual([place[:80] for place in places if "canary" in place], [])

    def test_who_has_no_business_there_gets_nothing_from_the_controller(self):
        other = self.first.run("sh", "-c", "cat /var/run/secrets/kubernetes.io/serviceaccount/token")
        expired = "eyJhbGciOiJub25lIn0.e30."
        def asks(*more: str) -> str:
            return self.first.run("curl", "-sk", "-m", "10", "--http2", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", *more, "https://lotse-controller.lotse-system.svc:14443/v1/follow", check=False)

        wait("no token is refused", lambda: asks() == "401")
        self.assertEqual(asks("-H", f"authorization: Bearer {other}"), "401", "a token of another audience")
        self.assertEqual(asks("-H", f"authorization: Bearer {expired}"), "401", "a token that nobody signed")
        garbage = self.first.run("sh", "-c", "head -c 65536 /dev/urandom | nc -w 3 lotse-controller.lotse-system.svc 14443 2>/dev/null | wc -c", check=False)
        self.assertLess(int(garbage.split()[-1]), 64, "an alert at most")
        self.assertIn("current", harness.lotse("status", "-n", "tenant-one", check=False), "others are not disturbed")


class Identities(unittest.TestCase):
    """The node reaches no cloud: what is shown is whose tokens the controller may ask for, and where it then would go."""

    @classmethod
    def setUpClass(cls):
        harness.ensure_installed()
        cls.tenant = Tenant("clouds")
        for account in ("vertex", "stranger", "nobody"):
            if account != "nobody":
                apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": SYSTEM}})
            identity = {"audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k", "serviceAccountName": account}
            apply(harness.obj("LLMProvider", f"cloud-{account}", SYSTEM, {
                "vendor": "google-vertex",
                "region": "eu",
                "project": "p",
                "credential": {"type": "GoogleCloud", "googleCloud": {"workloadIdentity": identity}},
                "consumers": {"namespaceSelector": {}},
                "models": [{"name": "gemini"}],
            }))
            target = {"model": "gemini", "provider": {"name": f"cloud-{account}", "namespace": SYSTEM}}
            apply(route(f"cloud-{account}", f"cloud-{account}", [target], "clouds"))
        cls.app = cls.tenant.app()

    def told(self, account: str, words: str) -> None:
        def found() -> bool:
            return words in str(harness.get("mroute", f"cloud-{account}", "clouds")["status"]["candidates"])

        wait(f"the route of {account} says: {words}", found, 60)

    def test_a_named_account_has_its_token_exchanged_at_the_clouds_own_host(self):
        self.told("vertex", "sts.googleapis.com can't be reached")

    def test_a_token_of_any_other_account_is_not_to_be_had(self):
        self.told("stranger", "the chart's identities must name it")

    def test_a_call_says_that_the_credential_is_pending(self):
        self.app.hears("cloud-vertex", "no_eligible_provider")

        (excluded,) = self.app.ask("cloud-vertex")[1]["error"]["metadata"]["excluded"]
        self.assertEqual((excluded["provider"], excluded["reasons"]), (f"{SYSTEM}/cloud-vertex", ["credential_pending"]))
