"""Who may call: each vendor takes one key, in the header that it has for it, and no credential anywhere else."""

from typing import Callable

from .server import Request

CREDENTIALS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
Check = Callable[[Request], str | None]


def key(name: str) -> str:
    """The vendor's one key."""
    return f"key-of-{name}"


def only(*names: str) -> Check:
    """Complains about credentials in other headers than these."""

    def check(request: Request) -> str | None:
        there = [name for name in CREDENTIALS if request.header(name) and name not in names]
        return f"a credential is in {', '.join(there)}" if there else None

    return check


def bearer(name: str) -> Check:
    """`Authorization: Bearer` with the vendor's key, and no other credential."""

    def check(request: Request) -> str | None:
        right = request.header("authorization") == f"Bearer {key(name)}"
        return only("authorization")(request) if right else "the bearer token is not the vendor's key"

    return check


def header(name: str, *headers: str) -> Check:
    """The vendor's key in one of these headers."""

    def check(request: Request) -> str | None:
        given = [request.header(each) for each in headers if request.header(each)]
        return only(*headers)(request) if set(given) == {key(name)} else f"the key must be in {' or '.join(headers)}"

    return check


def portkey(request: Request) -> str | None:
    """Portkey's own key, and who shall answer."""
    choosing = ("x-portkey-provider", "x-portkey-config", "x-portkey-virtual-key", "x-portkey-custom-host")
    if request.header("x-portkey-api-key") != key("portkey"):
        return "x-portkey-api-key is missing or wrong"
    return None if any(request.header(name) for name in choosing) else f"one of {', '.join(choosing)} must be there"
