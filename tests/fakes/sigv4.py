"""Recomputes AWS' Signature Version 4 of a request and says what does not fit. Facts: botocore's `auth.py`. Pure."""

import hashlib
import hmac
import re
from datetime import datetime, timezone
from urllib.parse import quote, urlsplit

from .server import Request

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
REQUIRED = {"host", "x-amz-date"}


def complaint(request: Request, region: str, service: str) -> str | None:
    """Why the signature is wrong; nothing when it is right."""
    values = dict(request.headers)
    found = AUTHORIZATION.fullmatch(values.get("authorization", ""))
    if not found:
        return "the authorization header is no signature of version 4"
    key, day, signed_region, signed_service, names, signature = found.groups()
    signed = names.split(";")
    if (key, signed_region, signed_service) != (ACCESS_KEY, region, service):
        return f"credential scope {key}/{signed_region}/{signed_service} should be {ACCESS_KEY}/{region}/{service}"
    if signed != sorted(signed) or not REQUIRED <= set(signed):
        return f"signed headers {names} must be sorted and hold {', '.join(sorted(REQUIRED))}"
    unsigned = [name for name in values if name.startswith("x-amz-") and name not in signed]
    if unsigned:
        return f"headers {unsigned} must be signed"
    hashed = hashlib.sha256(request.body).hexdigest()
    if values.get("x-amz-content-sha256", hashed) != hashed:
        return "x-amz-content-sha256 is not the body's"
    stamp = values.get("x-amz-date", "")
    if not stamp.startswith(day) or _age(stamp) > 300:
        return f"x-amz-date {stamp} does not fit"
    canonical = _canonical(request, values, signed, hashed)
    expected = _sign(canonical, stamp, day, region, service)
    return (
        None
        if hmac.compare_digest(expected, signature)
        else f"the signature does not match; canonical request:\n{canonical}"
    )


def _age(stamp: str) -> float:
    then = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    return abs((datetime.now(timezone.utc) - then).total_seconds())


def _canonical(request: Request, values: dict, signed: list[str], hashed: str) -> str:
    parts = urlsplit(request.target)
    pairs = sorted(tuple((pair + "=").split("=")[:2]) for pair in parts.query.split("&") if pair)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    lines = [f"{name}:{re.sub(' +', ' ', values.get(name, '').strip())}" for name in signed]
    # The path is already percent-encoded, and is encoded once more.
    return "\n".join([request.method, quote(parts.path, safe="/-_.~"), query, *lines, "", ";".join(signed), hashed])


def _sign(canonical: str, stamp: str, day: str, region: str, service: str) -> str:
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
