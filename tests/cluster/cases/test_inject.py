"""Which pods get a sidecar, what they can do with it, and who tries to get round it."""

import json
import unittest

from . import harness
from .harness import CLIENT, App, Tenant, apply, kubectl, refused, run, wait

OURS = {"name": "lotse-sidecar", "image": "localhost/lotse-sidecar:test", "imagePullPolicy": "Never", "restartPolicy": "Always"}
TOKEN = {"name": "mine", "projected": {"sources": [{"serviceAccountToken": {"audience": "lotse-operator", "path": "token"}}]}}
SDK = """
import openai
client = openai.OpenAI(max_retries=0)
print(client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}]).choices[0].message.content)
"""


class Inject(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.ensure_installed()
        cls.tenant = Tenant("injected", **{"pod-security.kubernetes.io__enforce": "restricted"})
        cls.enforced = Tenant("enforced", **{"lotse.dev__enforce": "true"})
        apply(harness.simulated("here", "Here."), *[harness.route("here", "gpt-4o", [{"model": "here"}], name) for name in ("injected", "enforced")])

    @staticmethod
    def restricted() -> dict:
        """What a restricted namespace asks of the app's own container."""
        return {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}}

    def job(self, name: str, script: str, **spec) -> dict:
        container = {"name": "app", "image": CLIENT, "imagePullPolicy": "Never", "command": ["python3", "-c", script], **self.restricted()}
        template = {"spec": {"restartPolicy": "Never", "containers": [container], **spec}}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "injected"}, "spec": {"backoffLimit": 0, "template": template}}

    def test_a_job_that_uses_the_openai_package_gets_its_answer_and_completes(self):
        apply(self.job("sdk", SDK))

        kubectl("wait", "--for=condition=Complete", "job/sdk", "-n", "injected", "--timeout=90s")

        self.assertEqual(kubectl("logs", "job/sdk", "-n", "injected", "-c", "app").strip(), "Here.")

    def test_a_cron_jobs_job_completes_too(self):
        template = self.job("x", SDK)["spec"]
        apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "injected"}, "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": template}}})
        kubectl("create", "job", "nightly-now", "--from=cronjob/nightly", "-n", "injected")

        kubectl("wait", "--for=condition=Complete", "job/nightly-now", "-n", "injected", "--timeout=90s")

    def test_an_init_container_can_call(self):
        init = {"name": "warm-up", "image": CLIENT, "imagePullPolicy": "Never", "command": ["python3", "-c", SDK], **self.restricted()}
        apply(self.job("with-init", "print('done')", initContainers=[init]))

        kubectl("wait", "--for=condition=Complete", "job/with-init", "-n", "injected", "--timeout=90s")

        pod = kubectl("get", "pod", "-n", "injected", "-l", "job-name=with-init", "-o", "jsonpath={.items[0].metadata.name}")
        self.assertEqual(kubectl("logs", pod, "-n", "injected", "-c", "warm-up").strip(), "Here.")

    def test_a_deployment_rolls_out_and_tells_its_owner(self):
        container = {"name": "app", "image": CLIENT, "imagePullPolicy": "Never", **self.restricted()}
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 2}}
        apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "injected"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}})
        kubectl("rollout", "status", "deployment/web", "-n", "injected", "--timeout=90s")

        kubectl("rollout", "restart", "deployment/web", "-n", "injected")
        kubectl("rollout", "status", "deployment/web", "-n", "injected", "--timeout=90s")

        told = wait("an Event tells of the sidecar", lambda: harness.events("injected", "SidecarInjected"))
        self.assertIn(told[0]["regarding"]["kind"], ("ReplicaSet", "Job"))

    def test_the_app_can_call_until_its_end(self):
        script = "import signal, time\n" + SDK.replace("import openai", "import openai\nsignal.signal(signal.SIGTERM, lambda *_: None)") + "\nwhile True:\n    time.sleep(0.2)\n    print(client.chat.completions.create(model='gpt-4o', messages=[]).choices[0].message.content, flush=True)\n"
        pod = self.tenant.pod("late", containers={"command": ["python3", "-u", "-c", script], **self.restricted()}, terminationGracePeriodSeconds=4)
        pod["spec"]["terminationGracePeriodSeconds"] = 4
        apply(pod)
        kubectl("wait", "--for=condition=Ready", "pod/late", "-n", "injected", "--timeout=60s")
        follow = run("bash", "-c", "kubectl delete pod late -n injected --wait=false >/dev/null; timeout 20 kubectl logs -f late -n injected -c app", check=False)

        self.assertNotIn("Error", follow, follow[-600:])
        self.assertGreater(follow.count("Here."), 10, "it went on calling after it was told to end")

    def test_host_network_is_skipped_with_a_reason_and_refused_where_a_sidecar_is_enforced(self):
        free = Tenant("hostly")
        pod = free.pod("host", hostNetwork=True)
        said = kubectl("apply", "-f", "-", stdin=json.dumps(pod), check=False)
        self.assertIn("no sidecar, because hostNetwork shares the node's loopback", said)
        self.assertNotIn("lotse-sidecar", kubectl("get", "pod", "host", "-n", "hostly", "-o", "yaml"))
        wait("an Event says why", lambda: harness.events("hostly", "SidecarInjectionSkipped"))

        why = refused("apply", "-f", "-", stdin=json.dumps(self.enforced.pod("host", hostNetwork=True)))
        self.assertIn("a pod with hostNetwork can't have one; remove hostNetwork", why)

    def test_a_pod_may_opt_out_where_nothing_enforces_it_and_only_there(self):
        out = {"labels": {"lotse.dev/inject": "disabled"}}
        why = refused("apply", "-f", "-", stdin=json.dumps(self.enforced.pod("out", metadata=out)))
        self.assertIn("remove the pod's label lotse.dev/inject or set it to enabled", why)

        free = Tenant("optional")
        apply(free.pod("out", metadata=out))
        self.assertNotIn("lotse-sidecar", kubectl("get", "pod", "out", "-n", "optional", "-o", "yaml"))

    def test_an_enforced_pod_starts_with_its_sidecar(self):
        self.enforced.app("good").hears("gpt-4o", "Here.")

    def test_every_guard_takes_and_refuses_what_it_should(self):
        said = run("python3", str(harness.ROOT / "tests/cluster/guards/run.py"), check=False)

        self.assertRegex(said, r"\n(\d+) of \1 guarded as they should be")

    def test_a_namespace_with_limits_and_quotas_takes_injected_pods(self):
        bounded = Tenant("bounded")
        limits = [{"type": "Container", "default": {"cpu": "500m", "memory": "128Mi"}, "defaultRequest": {"cpu": "10m", "memory": "16Mi"}}]
        apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", "namespace": "bounded"}, "spec": {"limits": limits}},
              {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "bounded"}, "spec": {"hard": {"limits.cpu": "2", "limits.memory": "1Gi", "pods": "3"}}},
              harness.route("here", "gpt-4o", [{"model": "here"}], "bounded"))

        bounded.app().hears("gpt-4o", "Here.")

    def test_nobody_mints_a_token_for_the_operator(self):
        why = refused("create", "token", "default", "-n", "injected", "--audience", "lotse-operator")

        self.assertIn("only kubelets may ask for them", why)

    def test_nobody_else_mounts_such_a_token(self):
        spoofs = {
            "may be mounted by the container lotse-sidecar alone": {"containers": {"volumeMounts": [{"name": "mine", "mountPath": "/t"}]}, "volumes": [TOKEN]},
            "must have the image localhost/lotse-sidecar:test": {"volumes": [TOKEN], "initContainers": [{**OURS, "image": CLIENT}]},
            "must have no command": {"volumes": [TOKEN], "initContainers": [{**OURS, "command": ["/bin/sh"]}]},
            "envFrom or exec probe": {"volumes": [TOKEN], "initContainers": [{**OURS, "startupProbe": {"exec": {"command": ["/bin/sh"]}}}]},
            "must have the arguments": {"volumes": [TOKEN], "initContainers": [{**OURS, "args": ["run", "--admin", "0.0.0.0:1"]}]},
            "a container may not be named lotse-sidecar": {"containers": {"name": "lotse-sidecar"}},
        }
        outside = Tenant("outside")
        kubectl("label", "namespace", "outside", "lotse.dev/inject-")
        for expected, spec in spoofs.items():
            with self.subTest(expected):
                self.assertIn(expected, refused("apply", "-f", "-", stdin=json.dumps(outside.pod("spoof", **spec))))

    def test_a_running_pods_sidecar_can_not_be_exchanged(self):
        app = Tenant("exchanged").app()

        patch = json.dumps({"spec": {"initContainers": [{"name": "lotse-sidecar", "image": CLIENT}]}})
        why = refused("patch", "pod", app.name, "-n", "exchanged", "-p", patch)

        self.assertIn("must have the image localhost/lotse-sidecar:test", why)

    def test_an_ephemeral_container_may_look_but_not_take_the_token(self):
        app = Tenant("debugged").app()
        debug = {"name": "debug", "image": CLIENT, "imagePullPolicy": "Never"}
        def patched(container: dict) -> tuple[str, ...]:
            return ("patch", "pod", app.name, "-n", "debugged", "--subresource=ephemeralcontainers", "-p", json.dumps({"spec": {"ephemeralContainers": [container]}}))

        why = refused(*patched({**debug, "volumeMounts": [{"name": "lotse", "mountPath": "/t"}]}))
        self.assertIn("may be mounted by the container lotse-sidecar alone", why)
        kubectl(*patched(debug))

    def test_without_the_webhook_enforced_pods_wait_and_others_start(self):
        free = Tenant("unenforced")
        kubectl("scale", "deployment/lotse-injector", "-n", harness.SYSTEM, "--replicas=0")
        try:
            wait("the injector is away", lambda: kubectl("get", "pods", "-n", harness.SYSTEM, "-l", "app.kubernetes.io/component=injector", "-o", "name") == "")
            apply(free.pod("bare"))
            kubectl("wait", "--for=condition=Ready", "pod/bare", "-n", "unenforced", "--timeout=60s")
            why = refused("apply", "-f", "-", stdin=json.dumps(self.enforced.pod("waits")))
            self.assertIn("this pod has none; see that", why)
        finally:
            kubectl("scale", "deployment/lotse-injector", "-n", harness.SYSTEM, "--replicas=2")
            kubectl("rollout", "status", "deployment/lotse-injector", "-n", harness.SYSTEM, "--timeout=90s")
            wait("the API server reaches the injector", lambda: all(harness.injects() for _ in range(5)))
        self.assertIn("unenforced/bare", harness.lotse("check", check=False))

    def test_a_review_that_is_none_is_refused_and_nobody_else_disturbed(self):
        app = Tenant("reviewing").app()

        def says(data: str) -> str:
            script = f"{data} | curl -sk -m 20 -o /dev/null -w '%{{http_code}}' -H content-type:application/json --data-binary @- https://lotse-injector.lotse-system.svc/mutate"
            return app.run("sh", "-c", script, check=False)

        self.assertEqual(says("echo garbage"), "400")
        self.assertEqual(says("echo '{\"apiVersion\": \"admission.k8s.io/v1beta1\", \"kind\": \"AdmissionReview\"}'"), "400")
        self.assertEqual(says("head -c 12000000 /dev/zero"), "413")
        apply(self.tenant.pod("after", containers=self.restricted()))
        self.assertIn("lotse-sidecar", kubectl("get", "pod", "after", "-n", "injected", "-o", "yaml"))

    def test_the_sidecar_answers_on_both_loopback_addresses_and_on_no_other(self):
        app = Tenant("both-loopbacks").app()
        address = harness.get("pod", "app", "both-loopbacks")["status"]["podIP"]

        def status(host: str) -> str:
            return app.run("curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", f"http://{host}:14141/v1/models", check=False)

        self.assertEqual([status(host) for host in ("127.0.0.1", "[::1]", "localhost")], ["200", "200", "200"])
        self.assertTrue(status(address).startswith("000"), "the pod's address")

    def test_nothing_is_executed_in_the_sidecar(self):
        app = App(self.tenant, "small")
        apply(self.tenant.pod("small", containers=self.restricted()))
        kubectl("wait", "--for=condition=Ready", "pod/small", "-n", "injected", "--timeout=60s")
        app.hears("gpt-4o", "Here.")

        said = kubectl("exec", "small", "-n", "injected", "-c", "lotse-sidecar", "--", "/bin/sh", "-c", "id", check=False)
        self.assertIn("nothing may be executed in the container lotse-sidecar", said)
