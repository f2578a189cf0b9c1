"""The HTTP side of the fakes: one port, a path prefix for each vendor, and a record of what broke the rules.

GET    /_fakes/violations     what broke the rules so far, as [{"vendor", "path", "message"}], and forgets it
GET    /_fakes/requests       the last requests, as [{"vendor", "method", "path", "headers", "body"}], and forgets them
"""

import json
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable, Iterable
from urllib.parse import parse_qsl, urlsplit

FORBIDDEN_HEADERS = ("cookie", "proxy-authorization", "x-forwarded-for", "forwarded", "content-encoding")


@dataclass
class Request:
    """A request: `path` begins after the vendor's prefix, `target` is what the wire had."""

    method: str
    target: str
    path: str
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    body: bytes
    violations: list[str] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The header's value, if it is there; a second one of the name is a violation."""
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            self.violations.append(f"header {name} is there {len(values)} times")
        return values[0] if values else None

    def remark(self, message: str) -> None:
        """Records what the real provider would not say: that it ignores something, for example."""
        self.violations.append(message)


@dataclass
class Answer:
    """An answer: `body` is the whole of it, or the pieces of a stream. `None` as a piece breaks the connection."""

    status: int
    headers: dict[str, str]
    body: bytes | Iterable[bytes | None]


class Refused(Exception):
    """The request broke a rule: the provider's own answer to that, and a sentence for the record."""

    def __init__(self, answer: Answer, message: str):
        super().__init__(message)
        self.answer, self.message = answer, message


def of_json(status: int, value, **headers: str) -> Answer:
    """An answer of JSON; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, {"content-type": "application/json", **named}, json.dumps(value).encode())


def of_events(pieces: Iterable[bytes | None], **headers: str) -> Answer:
    """A stream of server-sent events."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(200, {"content-type": "text/event-stream; charset=utf-8", **named}, pieces)


def event(payload, name: str | None = None) -> bytes:
    """One server-sent event."""
    text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


class Fakes:
    """All fakes on one loopback port, while the `with` block lasts."""

    def __init__(self, vendors: dict[str, Callable[[Request], Answer]], foreign: tuple[str, ...] = ()):
        self.vendors, self.foreign = vendors, foreign
        self.violations: deque[dict] = deque(maxlen=1000)
        self.requests: deque[dict] = deque(maxlen=200)
        self.server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"fakes": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Fakes":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()

    def drain(self, which: str) -> list[dict]:
        """The `violations` or the `requests` so far; they are forgotten."""
        kept: deque = getattr(self, which)
        return [kept.popleft() for _ in range(len(kept))]

    def answer(self, request: Request) -> Answer:
        """What the vendor answers; what broke its rules is recorded."""
        if request.path in ("/_fakes/violations", "/_fakes/requests"):
            return of_json(200, self.drain(request.path.rsplit("/", 1)[1]))
        vendor, rest = _split(request.path)
        if vendor not in self.vendors:
            return of_json(404, {"error": f"there is no vendor {vendor}; there are {', '.join(self.vendors)}"})
        request.path = rest
        self.requests.append(_told(vendor, request))
        self._check_headers(request)
        try:
            answer = self.vendors[vendor](request)
        except Refused as refused:
            request.violations.append(refused.message)
            answer = refused.answer
        self.violations.extend({"vendor": vendor, "path": rest, "message": text} for text in request.violations)
        return answer

    def _check_headers(self, request: Request) -> None:
        for name, value in request.headers:
            if name in FORBIDDEN_HEADERS or name.startswith("x-lotse"):
                request.remark(f"header {name} must not reach a provider")
            if any(secret in value for secret in self.foreign):
                request.remark(f"header {name} holds a credential of the app")


def _split(path: str) -> tuple[str, str]:
    vendor, slash, rest = path.removeprefix("/").partition("/")
    return vendor, slash + rest


def _told(vendor: str, request: Request) -> dict:
    body = request.body.decode("utf-8", "replace")
    return {"vendor": vendor, "method": request.method, "path": request.path, "headers": request.headers, "body": body}


class _Server(ThreadingHTTPServer):
    """A server that says nothing of connections that callers break off."""

    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        """Tells of everything else, in the record of violations."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.RequestHandlerClass.fakes.violations.append(
                {"vendor": "", "path": "", "message": f"the fake: {error!r}"}
            )


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    fakes: Fakes
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one(self) -> None:
        """Reads a request, writes its answer."""
        parts = urlsplit(self.path)
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        query = parse_qsl(parts.query, keep_blank_values=True)
        answer = self.fakes.answer(Request(self.command, self.path, parts.path, query, headers, self._body()))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
        else:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self._stream(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_one

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _stream(self, pieces: Iterable[bytes | None]) -> None:
        for piece in pieces:
            if piece is None:
                self.close_connection = True
                return
            if piece:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_) -> None:
        """Says nothing: the tests talk."""
