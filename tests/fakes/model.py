"""The model behind every fake: what it answers depends on the last line of the last user text, so that tests can
foretell it.

    say X                      the text X
    call [NAME]                a call of the tool of that name, or of the first, with arguments that fit its schema
    calls                      a call of each tool
    json                       JSON that fits the schema that was asked for
    look                       a text that names the media type of each picture and document in the prompt
    think X                    thoughts, then the text X
    long                       a text of 64 chunks
    error 400|401|429|500|529|context|filter      that error, in the provider's own shape
    flaky, busy                500, or 429, at every other call, and in between the text "recovered"
    late error                 a stream: two chunks, then the dialect's error inside the stream
    cut                        a stream: two chunks, then the connection breaks

When the last message holds results of tools, the answer quotes them. Pure but for `flaky` and `busy`, which count.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field

INPUT, CACHED, OUTPUT, REASONING = 11, 3, 7, 2
THOUGHTS = "First I think about it. "
THOUGHT_CHUNKS = ["First I think", " about it. "]


@dataclass
class Tool:
    """A tool that may be called; a custom one takes any text."""

    name: str
    schema: dict
    custom: bool = False


@dataclass
class Prompt:
    """What a dialect has read of a request."""

    text: str = ""
    tools: list[Tool] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    choice: str = "auto"
    schema: dict | None = None
    media: list[str] = field(default_factory=list)
    thinking: bool = False
    stops: list[str] = field(default_factory=list)
    limit: int | None = None
    system: str = ""


@dataclass
class Call:
    """A call of a tool: `input` is the arguments, or a custom tool's text."""

    name: str
    input: dict | str


@dataclass
class Reply:
    """What the model says. `stop` is `end`, `stop` (a stop sequence), `length` or `tools`."""

    chunks: list[str] = field(default_factory=list)
    thoughts: bool = False
    calls: list[Call] = field(default_factory=list)
    stop: str = "end"
    sequence: str | None = None
    breaks: str | None = None

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.chunks)

    @property
    def reasoning(self) -> int:
        """How many of the output's tokens are thoughts."""
        return REASONING if self.thoughts else 0


class ModelError(Exception):
    """The prompt asked for an error of this kind: `400`, `401`, `429`, `500`, `529`, `context` or `filter`."""

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


_seen: Counter = Counter()


def answer(prompt: Prompt, who: str) -> Reply:
    """What the model says to a prompt; `who` keeps the counts of `flaky` and `busy` apart."""
    if prompt.results:
        return _limited(Reply(_words("The tool said: " + " and ".join(prompt.results))), prompt)
    command, _, rest = prompt.text.strip().split("\n")[-1].partition(" ")
    if command == "error":
        raise ModelError(rest.split()[0])
    if command in ("flaky", "busy"):
        _seen[who, command] += 1
        if _seen[who, command] % 2 == 1:
            raise ModelError("500" if command == "flaky" else "429")
        return Reply(["recovered"])
    if prompt.tools and prompt.choice != "none" and (command in ("call", "calls") or prompt.choice != "auto"):
        return _calling(prompt, command, rest)
    return _limited(_saying(prompt, command, rest), prompt)


def _calling(prompt: Prompt, command: str, rest: str) -> Reply:
    wanted = prompt.choice if prompt.choice not in ("auto", "required") else rest.split(" ")[0]
    named = [tool for tool in prompt.tools if tool.name == wanted]
    tools = prompt.tools if command == "calls" else named or prompt.tools[:1]
    calls = [Call(tool.name, "the raw input" if tool.custom else fit(tool.schema, tool.schema)) for tool in tools]
    return Reply(calls=calls, thoughts=prompt.thinking, stop="tools")


def _saying(prompt: Prompt, command: str, rest: str) -> Reply:
    if command == "json" or (prompt.schema is not None and command not in ("cut", "late")):
        text = json.dumps(fit(prompt.schema or {}, prompt.schema or {}), separators=(",", ":"))
        return Reply([text[index : index + 9] for index in range(0, len(text), 9)])
    if command == "look":
        return Reply(_words("I see " + (" and ".join(prompt.media) or "nothing")))
    if command == "think":
        return Reply(_words(rest), thoughts=prompt.thinking)
    if command == "long":
        return Reply([f"{number} " for number in range(64)])
    if command == "system":
        return Reply(_words("I was told: " + prompt.system))
    if command in ("cut", "late"):
        return Reply(["one ", "two "], breaks=command)
    return Reply(_words(rest if command == "say" else f"You said: {prompt.text}"), thoughts=prompt.thinking)


def _limited(reply: Reply, prompt: Prompt) -> Reply:
    cuts = [(reply.text.find(stop), stop) for stop in prompt.stops if stop in reply.text]
    if cuts:
        at, stop = min(cuts)
        return Reply(_words(reply.text[:at]), reply.thoughts, stop="stop", sequence=stop)
    if prompt.limit is not None and prompt.limit < len(reply.chunks):
        return Reply(reply.chunks[: prompt.limit], reply.thoughts, stop="length")
    return reply


def _words(text: str) -> list[str]:
    return re.findall(r"\S*\s*", text)[:-1] or [""]


def fit(schema: dict, root: dict):
    """A value that fits a JSON schema of the usual kind; types may be in capitals, as Google's are."""
    if "$ref" in schema:
        found = root
        for key in schema["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        return fit(found, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return fit(schema[key][0], root)
    kind = schema.get("type", "object" if "properties" in schema else "string" if schema else "object")
    kind = (kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        return {name: fit(inner, root) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [fit(schema.get("items", {}), root)]
    return {"string": "Paris", "integer": 42, "number": 1.5, "boolean": True, "null": None}[kind]
