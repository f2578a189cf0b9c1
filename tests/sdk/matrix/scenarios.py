"""What is tried: reads `scenarios.json`, which the SDKs of both languages share.

name      the column of the matrix
api       chat, completions, responses, messages, or another endpoint
does      create (by default), stream, tools (call, result, answer), error, broken (a stream that breaks),
          embed, count, models, images, moderations, speech, transcriptions
ask       the user's text; or content, the user's content in the API's own form
more      further fields of the request, in the API's own form
expect    what is seen: text, stop, usage, calls, status; a list means: any of these. `json` compares parsed
only      the targets where it makes sense; all by default
"""

import json
from pathlib import Path

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJSVFT0YK"


def read() -> list[dict]:
    """All scenarios, with pictures and schemas put in."""
    text = (Path(__file__).parent / "scenarios.json").read_text()
    whole = json.loads(text.replace("$PIXEL", PIXEL).replace("$PDF", PDF))
    return [_filled(scenario, whole["shared"]) for scenario in whole["scenarios"]]


def _filled(value, shared: dict):
    """Each `{"$": NAME}` is replaced by what `shared` has under the name."""
    if isinstance(value, list):
        return [_filled(item, shared) for item in value]
    if isinstance(value, dict):
        if set(value) == {"$"}:
            return _filled(shared[value["$"]], shared)
        return {key: _filled(inner, shared) for key, inner in value.items()}
    return value
