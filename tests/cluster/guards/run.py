"""Who may have a token for the operator, and who may not: the chart's admission policies against a real API server.

`python3 run.py [ROOT_NAMESPACE]`, on the cluster of KUBECONFIG, in which the chart is installed; no node is needed. Each
pod of this folder is tried: its first line says what it is, and what the API server must say if it must refuse it. What
is no new pod is tried below.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMESPACES = {"guarded": {}, "guarded-enforced": {"lotse.dev/enforce": "true"}}
#: Where the controller tells which authorities it spreads.
AUTHORITIES = "lotse.dev/authorities"


def kubectl(*arguments: str, stdin: str | None = None) -> tuple[bool, str]:
    """Whether it went well, and all that was said."""
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def told(*arguments: str) -> dict:
    fine, said = kubectl(*arguments, "-o", "json")
    if not fine:
        sys.exit(said)
    return json.loads(said)


class Guards:
    """The guards of one installation."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.failed: list[str] = []
        self.tried = 0
        container = told("get", "deployment", "lotse-injector", "-n", root)["spec"]["template"]["spec"]["containers"][0]
        self.image = next(arg.split("=", 1)[1] for arg in container["args"] if arg.startswith("--sidecar-image="))
        annotations = told("get", "mutatingwebhookconfiguration", "lotse-injector")["metadata"].get("annotations", {})
        self.authorities = annotations.get(AUTHORITIES, "")

    def fill(self, text: str, authorities: str | None = None) -> str:
        pem = self.authorities if authorities is None else authorities
        text = text.replace("SIDECAR_IMAGE", self.image).replace("ROOT_NAMESPACE", self.root)
        return text.replace("CERTIFICATES", json.dumps(pem or "CERTIFICATES"))

    def check(self, what: str, expected: str | None, answer: tuple[bool, str]) -> None:
        """`expected` is what must be said if it must be refused."""
        self.tried += 1
        fine, said = answer
        good = fine if expected is None else (not fine and self.fill(expected) in said)
        if not good:
            self.failed.append(f"{what}\n  expected: {expected or 'accepted'}\n  said: {said.strip()}")

    def not_by_guards(self, what: str, answer: tuple[bool, str]) -> None:
        """It may fail for want of a node, but not because a guard says so."""
        self.check(what, None, ("ValidatingAdmissionPolicy" not in answer[1], answer[1]))

    def new_pods(self) -> None:
        for path in sorted(HERE.glob("*.yaml")):
            text = path.read_text()
            sentence, _, expected = text.splitlines()[0].removeprefix("# ").partition(" Refused: ")
            assert bool(expected) == path.name.startswith("refused-"), path.name
            answer = kubectl("create", "--dry-run=server", "-f", "-", stdin=self.fill(text))
            self.check(f"{path.name}: {sentence}", expected or None, answer)

    def later(self) -> None:
        """What can be done to a pod that is there."""
        for name in ("injected", "plain"):
            self.check(f"{name} is made", None, kubectl("create", "-f", "-", stdin=self.fill((HERE / f"accepted-{name}.yaml").read_text())))
        mount, name = "may be mounted by the container lotse-sidecar alone", "lotse-sidecar"
        debug = {"name": "debug", "image": "app"}
        for what, container, expected in (
            ("an ephemeral container mounts the token", {**debug, "volumeMounts": [{"name": "lotse", "mountPath": "/t"}]}, mount),
            ("an ephemeral container joins the sidecar", {**debug, "targetContainerName": name}, "may not share the processes of lotse-sidecar"),
            ("an ephemeral container joins the app", {**debug, "targetContainerName": "app"}, None),
        ):
            patch = json.dumps({"spec": {"ephemeralContainers": [container]}})
            self.check(what, expected, kubectl("patch", "pod", "injected", "-n", "guarded", "--subresource=ephemeralcontainers", "-p", patch))
        patch = json.dumps({"spec": {"ephemeralContainers": [{**debug, "name": name}]}})
        self.check("an ephemeral container takes the sidecar's name", "may not be named lotse-sidecar",
                   kubectl("patch", "pod", "plain", "-n", "guarded", "--subresource=ephemeralcontainers", "-p", patch))
        def image(container: str, image: str, field: str) -> tuple[bool, str]:
            return kubectl("patch", "pod", "injected", "-n", "guarded", "-p", json.dumps({"spec": {field: [{"name": container, "image": image}]}}))
        self.check("the sidecar's image is exchanged", "must have the image SIDECAR_IMAGE", image(name, "app", "initContainers"))
        self.check("the app's image is exchanged", None, image("app", "app:2", "containers"))
        self.check("an annotation is added", None, kubectl("annotate", "pod", "injected", "-n", "guarded", "a=b"))
        self.check("the label is taken away", None, kubectl("label", "pod", "injected", "-n", "guarded", "lotse.dev/sidecar-"))
        label = "the label lotse.dev/sidecar is set when a pod is made"
        for pod in ("injected", "plain"):
            self.check(f"{pod} gets the label later", label, kubectl("label", "pod", pod, "-n", "guarded", "lotse.dev/sidecar=injected"))
        self.check("something runs in the sidecar", "nothing may be executed in the container lotse-sidecar",
                   kubectl("exec", "injected", "-n", "guarded", "-c", name, "--", "/lotse-sidecar", "run"))
        self.not_by_guards("something runs in the app", kubectl("exec", "injected", "-n", "guarded", "-c", "app", "--", "true"))

    def tokens(self) -> None:
        ask = ("create", "token", "default", "-n", "guarded", "--audience")
        self.check("somebody mints a token for the operator", "only kubelets may ask for them", kubectl(*ask, "lotse-operator"))
        self.check("beside another audience", "only kubelets may ask for them", kubectl(*ask, "vault", "--audience", "lotse-operator"))
        self.check("somebody mints another token", None, kubectl(*ask, "vault"))
        self.not_by_guards("a kubelet does", kubectl(*ask, "lotse-operator", "--as", "system:node:node1", "--as-group", "system:nodes", "--as-group", "system:authenticated"))

    def authorities_file(self) -> None:
        controller = ("--as", f"system:serviceaccount:{self.root}:lotse-controller")
        def write(name: str, pem: str, *who: str) -> tuple[bool, str]:
            map_ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "guarded"}, "data": {"ca.crt": pem}}
            return kubectl("apply", "--server-side", "--force-conflicts", "--field-manager", who[-1] if who else "admin", *who, "-f", "-", stdin=json.dumps(map_))
        only = "only the Lotse controller may write it"
        self.check("somebody makes the file of authorities", only, write("lotse-ca", "EVIL"))
        self.check("the controller makes it", None, write("lotse-ca", "CA", *controller))
        self.check("the controller makes another", "forbidden", write("other", "CA", *controller))
        self.check("somebody changes it", only, write("lotse-ca", "EVIL"))
        self.check("somebody adds to it", only, kubectl("patch", "configmap", "lotse-ca", "-n", "guarded", "-p", '{"binaryData": {"more": "RVZJTA=="}}'))
        self.check("somebody labels it", None, kubectl("label", "configmap", "lotse-ca", "-n", "guarded", "a=b"))
        self.check("somebody deletes it", None, kubectl("delete", "configmap", "lotse-ca", "-n", "guarded"))
        self.check("somebody makes another", None, write("lotse-ca-of-mine", "CA"))

    def authorities_variable(self) -> None:
        """Told by the controller, where there is one; here, where there is none."""
        known = self.authorities or "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
        annotate = ("annotate", "mutatingwebhookconfiguration", "lotse-injector")
        if not self.authorities:
            self.check("the controller tells the authorities", None, kubectl(*annotate, f"{AUTHORITIES}={known}"))
        pod = (HERE / "accepted-injected.yaml").read_text().replace("name: injected", "name: authorities", 1)
        forged = "must be what the injector sets"
        try:
            answer = kubectl("create", "--dry-run=server", "-f", "-", stdin=self.fill(pod, "EVIL"))
            # The API server hears of the annotation a moment later.
            for _ in range(50):
                if forged in answer[1]:
                    break
                answer = kubectl("create", "--dry-run=server", "-f", "-", stdin=self.fill(pod, "EVIL"))
            self.check("the sidecar believes somebody else", forged, answer)
            self.check("the sidecar believes who is to be believed", None, kubectl("create", "--dry-run=server", "-f", "-", stdin=self.fill(pod, known)))
        finally:
            if not self.authorities:
                kubectl(*annotate, f"{AUTHORITIES}-")


def main() -> None:
    guards = Guards(sys.argv[1] if len(sys.argv) > 1 else "lotse-system")
    try:
        for name, labels in NAMESPACES.items():
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            fine, said = kubectl("apply", "-f", "-", stdin=json.dumps(namespace))
            assert fine, said
        for _ in range(100):
            if kubectl("get", "serviceaccount", "default", "-n", "guarded-enforced")[0]:
                break
        for part in (guards.new_pods, guards.later, guards.tokens, guards.authorities_file, guards.authorities_variable):
            part()
    finally:
        kubectl("delete", "namespace", *NAMESPACES, "--wait=false")
    print("\n".join(guards.failed))
    print(f"{guards.tried - len(guards.failed)} of {guards.tried} guarded as they should be")
    sys.exit(bool(guards.failed))


if __name__ == "__main__":
    main()
