"""Compares what was seen with what a scenario expects: yes, `no: FIELD` (refused by name), or FAILED. Pure."""

import json
import re

YES, NO, FAILED = "yes", "no", "FAILED"
# No provider has an endpoint for what is asked.
NOT_OFFERED = "no_eligible_provider"


def judge(scenario: dict, seen: dict, broken: list[str]) -> tuple[str, str]:
    """The cell's word, and for people why."""
    if broken:
        return FAILED, f"the provider's rules: {'; '.join(broken)}"
    error = seen.get("error")
    if error and (named := _refused(error)) is not None:
        return f"{NO}: {named}" if named else NO, error["message"]
    does, expected = scenario.get("does", "create"), scenario["expect"]
    if does in ("error", "broken"):
        if not error:
            return FAILED, f"no error, but {seen}"
        wrong = _error_differs(expected, seen)
    elif error:
        return FAILED, f"{error['class']} {error['status']}: {error['message']}"
    else:
        wrong = _differs(expected, seen)
    return (FAILED, wrong) if wrong else (YES, "")


def _refused(error: dict) -> str | None:
    inner = _inner(error)
    if inner.get("code") == "unsupported_field":
        names = re.findall(r"`([^`]+)`", error["message"])
        return ", ".join(dict.fromkeys(names)) or inner.get("param") or ""
    return "" if inner.get("code") == NOT_OFFERED else None


def _inner(error: dict) -> dict:
    """The object that says what went wrong: SDKs give the whole body, or what is under `error`."""
    body = error.get("body")
    inner = body.get("error", body) if isinstance(body, dict) else {}
    return inner if isinstance(inner, dict) else {}


def _error_differs(expected: dict, seen: dict) -> str | None:
    error, inner = seen["error"], _inner(seen["error"])
    if "text" in expected and seen.get("text") != expected["text"]:
        return f"the text before the error is {seen.get('text')!r}"
    found = {
        "status": error["status"],
        "retryAfter": error["retryAfter"],
        "code": inner.get("code"),
        "type": inner.get("type"),
    }
    for name, value in found.items():
        if name in expected and not _fits(expected[name], value):
            return f"{name} is {value!r} and not {expected[name]!r}: {error['message']}"
    return None


def _fits(expected, value) -> bool:
    """Whether a value is what is expected, or one of `{"any": [...]}`."""
    is_choice = isinstance(expected, dict) and set(expected) == {"any"}
    return value in expected["any"] if is_choice else value == expected


def _differs(expected: dict, seen: dict) -> str | None:
    for name, value in expected.items():
        if name == "json":
            if json.loads(seen["text"] or "null") != value:
                return f"the text {seen['text']!r} is not {value}"
        elif name == "words":
            if len(seen["text"].split()) != value:
                return f"{len(seen['text'].split())} words and not {value}"
        elif not _fits(value, seen.get(name)):
            return f"{name} is {seen.get(name)!r} and not {value!r}"
    return None
