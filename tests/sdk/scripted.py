"""Providers that answer as told, call by call, and manifests in which they stand one behind the other."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .sidecar import Sidecar

EVERYWHERE = """
apiVersion: lotse.dev/v1alpha1
kind: DataPolicy
metadata: {name: everywhere, namespace: lotse-system}
spec: {inferenceRegions: [Worldwide]}
"""


@dataclass
class Reply:
    """One answer. `silence` is where it stops until its caller goes: before its head at 0, or after so many pieces."""

    status: int = 200
    body: dict | None = None
    headers: dict[str, str] = field(default_factory=dict)
    events: list[str] | None = None
    silence: int | None = None


@dataclass
class Call:
    """A request that has reached a provider."""

    path: str
    headers: dict[str, str]
    body: dict
    at: float
    left: threading.Event = field(default_factory=threading.Event)


def says(text: str) -> Reply:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "system_fingerprint": "fp"}
    return Reply(body=body | {"choices": [choice], "usage": usage})


def streams(*texts: str, silence: int | None = None) -> Reply:
    """A stream of these pieces."""
    deltas = [({"role": "assistant", "content": text}, None) for text in texts] + [({}, "stop")]
    chunks = [
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": stop}],
        }
        for delta, stop in deltas
    ]
    return Reply(events=[json.dumps(chunk) for chunk in chunks] + ["[DONE]"], silence=silence)


def refuses(status: int, **headers: str) -> Reply:
    """An error of OpenAI's form; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"error": {"message": "no", "type": "x", "code": None}}, named)


def hangs() -> Reply:
    """Nothing, until the caller goes away."""
    return Reply(silence=0)


class Provider:
    """Answers each call by the next of its replies, and from then on by the last."""

    def __init__(self, *replies: Reply):
        self.replies, self.calls, self.lock = list(replies), [], threading.Lock()

    def __enter__(self) -> "Provider":
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        # A short interval: ending is not waited for.
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()

    def next(self, call: Call) -> Reply:
        """Notes a call, and says how it is answered."""
        with self.lock:
            self.calls.append(call)
            return self.replies[min(len(self.calls), len(self.replies)) - 1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: Provider

    def do_POST(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(self.rfile.read(int(headers["content-length"])))
        call = Call(self.path, headers, body, time.monotonic())
        reply = self.provider.next(call)
        try:
            self.answer(reply, call)
        except OSError:
            call.left.set()
            self.close_connection = True

    def answer(self, reply: Reply, call: Call) -> None:
        """Writes a reply as far as it goes."""
        if reply.silence == 0:
            return self.wait(call)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.events is None:
            body = json.dumps(reply.body).encode()
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for at, event in enumerate(reply.events, 1):
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            if at == reply.silence:
                return self.wait(call)
        self.wfile.write(b"0\r\n\r\n")
        return None

    def wait(self, call: Call) -> None:
        """Waits until the caller goes away."""
        self.connection.recv(1)
        call.left.set()
        self.close_connection = True

    def log_message(self, *_):
        pass


def world(providers: dict[str, Provider], route: str = "") -> dict[str, str]:
    """A policy that lets everything through, and a route for `gpt-4o` that asks these providers in order.

    They speak Chat and nothing else, so that the other dialects are translated.
    """
    spec = (
        "{{vendor: mistral, baseURL: '{url}', allowedAddresses: [127.0.0.0/8], consumers: {{namespaceSelector: {{}}}}, "
        "models: [{{name: m}}]}}"
    )
    head = "apiVersion: lotse.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: lotse-system}}\nspec: "
    objects = [
        head.format(kind="LLMProvider", name=name) + spec.format(url=provider.url)
        for name, provider in providers.items()
    ]
    targets = ", ".join(f"{{model: m, provider: {{name: {name}}}}}" for name in providers)
    more = f", {route}" if route else ""
    tiers = f"{{namespaceSelector: {{}}, models: [gpt-4o], tiers: [{{balance: Order, targets: [{targets}]}}]{more}}}"
    objects.append(head.format(kind="ModelRoute", name="route") + tiers)
    return {"policy.yaml": EVERYWHERE, "world.yaml": "\n---\n".join(objects)}


def sidecar(folder: str, providers: dict[str, Provider], route: str = "") -> Sidecar:
    """A sidecar in front of these providers; `folder` is empty."""
    return Sidecar(Path(folder), "support", world(providers, route))
