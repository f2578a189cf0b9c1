"""What the cluster's cases speak: an installation, tenants' namespaces, pods with a sidecar, and providers."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CHART = ROOT / "charts" / "lotse"
NODE = ROOT / "tests" / "cluster" / "node"
SYSTEM = "lotse-system"
VALUES = {
    "operator": {"image": {"repository": "localhost/lotse-operator", "tag": "test", "pullPolicy": "Never"}},
    "sidecar": {"image": {"repository": "localhost/lotse-sidecar", "tag": "test", "pullPolicy": "Never"}},
    # Short, so that a rotation can be watched to its end.
    "certificates": {"overlapSeconds": 20},
    "identities": [{"namespace": SYSTEM, "serviceAccounts": ["nobody", "vertex"]}],
}
CLIENT = "localhost/lotse-client:1"


class Failed(Exception):
    """A command failed."""


def run(*command: str, stdin: str | None = None, check: bool = True, timeout: int = 300) -> str:
    """Runs a command and gives what it prints."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout if check else done.stdout + done.stderr


def kubectl(*arguments: str, **more) -> str:
    return run("kubectl", *arguments, **more)


def refused(*arguments: str, stdin: str | None = None) -> str:
    """What kubectl says when the API server refuses; fails if it does not."""
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0:
        raise Failed(f"kubectl {' '.join(arguments)} was not refused:\n{done.stdout}")
    return done.stderr


def get(kind: str, name: str, namespace: str = SYSTEM) -> dict:
    return json.loads(kubectl("get", kind, name, "-n", namespace, "-o", "json"))


def apply(*objects: dict | str) -> str:
    """Applies objects, or YAML as it stands."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in objects]
    return kubectl("apply", "-f", "-", stdin="\n---\n".join(texts))


def wait(what: str, holds: Callable[[], object], seconds: float = 60) -> object:
    """Waits until something holds, and gives it."""
    until = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < until:
        try:
            last = holds()
            if last:
                return last
        except (Failed, KeyError, IndexError, json.JSONDecodeError) as error:
            last = error
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}; last: {last}")


# --- The installation ------------------------------------------------------------------------------------------------


def helm(*arguments: str, program: str = "helm") -> str:
    return run(program, *arguments, timeout=300)


def values_file(more: dict | None = None) -> str:
    values = {**VALUES, **(more or {})}
    file = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False)
    with file:
        json.dump(values, file)
    return file.name


def install(program: str = "helm", more: dict | None = None) -> None:
    helm("upgrade", "--install", "lotse", str(CHART), "-n", SYSTEM, "--create-namespace", "--wait", "--timeout", "120s",
         "-f", values_file(more), program=program)
    wait("the API server reaches the injector", injects)


def injects() -> bool:
    """Whether a pod would get its sidecar now: a Service takes a moment to lead to what is ready."""
    metadata = {"name": "trial", "namespace": "default", "labels": {"lotse.dev/inject": "enabled"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "app", "image": "none"}]}}
    return "lotse-sidecar" in kubectl("create", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=json.dumps(pod))


def uninstall(program: str = "helm") -> None:
    helm("uninstall", "lotse", "-n", SYSTEM, "--wait", "--timeout", "120s", program=program)


def is_installed() -> bool:
    return "lotse" in helm("list", "-n", SYSTEM, "-q").split()


def ensure_installed() -> None:
    """One installation serves all cases but those that install."""
    if not is_installed():
        install()
    everything()


def everything() -> None:
    """A root policy that lets everything through, as the cases find it."""
    apply(policy("everything", {"inferenceRegions": ["Worldwide"]}))


_namespaces: list[str] = []


def clean_up() -> None:
    """Takes away what the cases made."""
    for name in _namespaces:
        kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found", check=False)
    _namespaces.clear()


# --- Objects ---------------------------------------------------------------------------------------------------------


def obj(kind: str, name: str, namespace: str, spec: dict) -> dict:
    return {"apiVersion": "lotse.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def policy(name: str, spec: dict, namespace: str = SYSTEM) -> dict:
    return obj("DataPolicy", name, namespace, spec)


def simulated(name: str, answer: str, country: str = "FR", namespace: str = SYSTEM, **more) -> dict:
    """A provider that answers inside the sidecar, and promises one country for everything."""
    places = {"regions": [country], "evidence": ["dpa"]}
    spec = {
        "vendor": "example", "api": "Simulated", "models": [{"name": name}], "consumers": {"namespaceSelector": {}},
        "evidence": [{"name": "dpa", "kind": "Contractual", "source": "a contract"}],
        "promises": {"inference": places, "storage": places, "access": places},
        "simulated": {"answer": answer}, **more,
    }
    return obj("LLMProvider", name, namespace, spec)


def route(name: str, model: str, targets: list[dict], namespace: str, **more) -> dict:
    return obj("ModelRoute", name, namespace, {"models": [model], "tiers": [{"balance": "Order", "targets": targets}], **more})


def conditions(kind: str, name: str, namespace: str = SYSTEM) -> dict[str, dict]:
    status = get(kind, name, namespace).get("status", {})
    return {condition["type"]: condition for condition in status.get("conditions", [])}


def events(namespace: str, reason: str) -> list[dict]:
    listed = json.loads(kubectl("get", "events.events.k8s.io", "-n", namespace, "-o", "json"))["items"]
    return [event for event in listed if event.get("reason") == reason]


# --- Tenants and their pods ------------------------------------------------------------------------------------------


class Tenant:
    """A namespace whose pods get sidecars."""

    def __init__(self, name: str, **labels: str) -> None:
        self.name = name
        kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=true")
        labels = {"lotse.dev/inject": "enabled", **{key.replace("__", "/").replace("_", "-"): value for key, value in labels.items()}}
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        _namespaces.append(name)

    def pod(self, name: str = "app", containers: dict | None = None, metadata: dict | None = None, **spec) -> dict:
        """A pod that waits to be told what to ask."""
        container = {"name": "app", "image": CLIENT, "imagePullPolicy": "Never", **(containers or {})}
        return {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": self.name, "labels": {"app": name}, **(metadata or {})},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
        }

    def app(self, name: str = "app", **more) -> "App":
        apply(self.pod(name, **more))
        kubectl("wait", "--for=condition=Ready", f"pod/{name}", "-n", self.name, "--timeout=90s")
        return App(self, name)


class App:
    """A running pod with a sidecar."""

    def __init__(self, tenant: Tenant, name: str) -> None:
        self.tenant, self.name = tenant, name

    def run(self, *command: str, check: bool = True, timeout: int = 60) -> str:
        return kubectl("exec", self.name, "-n", self.tenant.name, "-c", "app", "--", *command, check=check, timeout=timeout)

    def ask(self, model: str) -> tuple[int, dict]:
        """A call; its status and its body."""
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]})
        told = self.run("curl", "-s", "-m", "30", "-w", "\n%{http_code}", "-H", "content-type: application/json", "-d", body,
                        "http://127.0.0.1:14141/v1/chat/completions", check=False)
        text, _, status = told.rpartition("\n")
        try:
            return int(status), json.loads(text)
        except ValueError:
            return 0, {"text": told}

    def says(self, model: str) -> str:
        """What the model says, or the error's code."""
        status, body = self.ask(model)
        if status == 200:
            return body["choices"][0]["message"]["content"]
        return body.get("error", {}).get("code", str(body))

    def hears(self, model: str, expected: str, seconds: float = 20) -> None:
        """Waits until the model says so."""
        wait(f"`{model}` says `{expected}`", lambda: self._is(model, expected), seconds)

    def _is(self, model: str, expected: str) -> bool:
        said = self.says(model)
        if said != expected:
            raise Failed(said)
        return True

    def admin(self, path: str) -> dict:
        return json.loads(self.run("curl", "-s", "-m", "10", f"http://127.0.0.1:14191{path}"))

    def revision(self) -> str:
        return self.admin("/snapshot")["revision"]

    def uid(self) -> str:
        return get("pod", self.name, self.tenant.name)["metadata"]["uid"]


class Load:
    """Calls without a pause, inside a pod and by no connection of ours, until it is stopped; tells what came of them."""

    SCRIPT = """
import json, os, time, urllib.request
seen = {}
body = json.dumps({"model": os.environ["MODEL"], "messages": [{"role": "user", "content": "hi"}]}).encode()
while not os.path.exists("/tmp/stop"):
    try:
        request = urllib.request.Request("http://127.0.0.1:14141/v1/chat/completions", body, {"content-type": "application/json"})
        answer = json.load(urllib.request.urlopen(request, timeout=30))["choices"][0]["message"]["content"]
    except Exception as error:
        answer = "failed: " + str(error)
    seen[answer] = seen.get(answer, 0) + 1
    time.sleep(0.02)
open("/tmp/seen.draft", "w").write(json.dumps(seen))
os.rename("/tmp/seen.draft", "/tmp/seen")
"""

    def __init__(self, app: App, model: str) -> None:
        self.app = app
        start = 'rm -f /tmp/stop /tmp/seen; python3 -c "$0" >/tmp/load.log 2>&1 </dev/null &'
        app.run("env", f"MODEL={model}", "sh", "-c", start, self.SCRIPT)

    def stop(self) -> dict[str, int]:
        """How often each answer came."""
        self.app.run("touch", "/tmp/stop")
        seen = json.loads(str(wait("the load tells what it saw", lambda: self.app.run("cat", "/tmp/seen"))))
        assert sum(seen.values()) > 10, f"it called hardly at all: {seen}"
        return seen


#: A provider that says which key it was shown, and nothing else.
ECHO = """
import http.server, json
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        shown = self.headers.get("authorization", "none").removeprefix("Bearer ")
        said = {"role": "assistant", "content": "shown " + shown[::-1]}
        body = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 8000), Echo).serve_forever()
"""


def echo_provider() -> str:
    """Runs the echo in the cluster, and gives its address."""
    container = {"name": "echo", "image": CLIENT, "imagePullPolicy": "Never", "command": ["python3", "-c", ECHO]}
    meta = {"name": "echo", "namespace": "echo", "labels": {"app": "echo"}}
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "echo"}},
          {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}},
          {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": "echo"}, "ports": [{"port": 8000}]}})
    if "echo" not in _namespaces:
        _namespaces.append("echo")
    kubectl("wait", "--for=condition=Ready", "pod/echo", "-n", "echo", "--timeout=60s")
    return "http://echo.echo.svc.cluster.local:8000/v1"


def keyed(name: str, url: str, secret: str, namespace: str, **more) -> list[dict]:
    """A provider at `url`, and the Secret that holds its key."""
    spec = {
        "vendor": "example", "api": "OpenAI", "baseURL": url, "allowedAddresses": ["10.0.0.0/8"], "models": [{"name": name}],
        "credential": {"type": "APIKey", "apiKey": {"secretRef": {"name": f"key-{name}", "key": "key"}}}, **more,
    }
    return [key(name, secret, namespace), obj("LLMProvider", name, namespace, spec)]


def key(name: str, secret: str, namespace: str) -> dict:
    meta = {"name": f"key-{name}", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"key": secret}}


def leader() -> str:
    names = kubectl("get", "pods", "-n", SYSTEM, "-l", "lotse.dev/leader=true", "-o", "name").split()
    return names[0].removeprefix("pod/") if len(names) == 1 else ""


def lotse(*arguments: str, check: bool = True) -> str:
    """The command line."""
    return run(os.environ.get("LOTSE", str(ROOT / "target/image/lotse")), *arguments, check=check)
