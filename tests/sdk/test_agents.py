"""Coding agents against providers of other dialects: requests in the form that Claude Code and Codex CLI send them."""

import gzip
import json
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from .stage import Stage

AGENTS = json.loads((Path(__file__).parent / "agents.json").read_text())


def events(text: str) -> list[dict]:
    """The payloads of a stream of server-sent events."""
    lines = (line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:"))
    return [json.loads(line) for line in lines if line != "[DONE]"]


class Agents(Stage):
    targets = ("openai", "gemini", "bedrock", "mistral", "vllm", "azure", "claude-on-vertex", "anthropic")
    drops = True

    def send(self, path: str, headers: dict, body: dict, packed: bool = False) -> tuple[int, str]:
        """The status and the text of what comes back."""
        data = json.dumps(body).encode()
        if packed:
            data, headers = gzip.compress(data), {**headers, "content-encoding": "gzip"}
        try:
            with urlopen(Request(self.root + path, data, headers), timeout=60) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def each(self, agent: str):
        """Each target with the agent's headers and a first body."""
        for target in self.targets:
            yield (
                target,
                AGENTS[agent]["headers"],
                json.loads(json.dumps(AGENTS[agent]["body"]).replace("TARGET", target)),
            )


class ClaudeCode(Agents):
    PATH = "/v1/messages?beta=true"

    def message(self, text: str) -> dict[int, dict]:
        """The blocks of a streamed message, whole, by index; the order of the events is checked on the way."""
        found, blocks = events(text), {}
        self.assertEqual(found[0]["type"], "message_start", text)
        self.assertEqual([event["type"] for event in found[-2:]], ["message_delta", "message_stop"], text)
        for event in found:
            if event["type"] == "content_block_start":
                self.assertEqual(event["index"], len(blocks))
                blocks[event["index"]] = {**event["content_block"], "pieces": ""}
            if event["type"] == "content_block_delta":
                delta = event["delta"]
                if "signature" in delta:
                    blocks[event["index"]]["signature"] = delta["signature"]
                blocks[event["index"]]["pieces"] += (
                    delta.get("text") or delta.get("partial_json") or delta.get("thinking") or ""
                )
        return blocks

    def said(self, blocks: dict[int, dict]) -> list[dict]:
        """The blocks as the agent sends them back."""
        back = []
        for block in blocks.values():
            if block["type"] == "thinking":
                back.append({"type": "thinking", "thinking": block["pieces"], "signature": block.get("signature", "")})
            if block["type"] == "text":
                back.append({"type": "text", "text": block["pieces"]})
            if block["type"] == "tool_use":
                call = {
                    "type": "tool_use",
                    "id": block["id"],
                    "name": block["name"],
                    "input": json.loads(block["pieces"] or "{}"),
                }
                back.append(call)
        return back

    def test_a_turn_with_thoughts_and_a_tool(self):
        for target, headers, body in self.each("claudeCode"):
            with self.subTest(target):
                status, text = self.send(self.PATH, headers, body)
                self.assertEqual(status, 200, text)
                said = self.said(self.message(text))
                call = said[-1]
                self.assertEqual((call["name"], call["input"]["command"]), ("Bash", "Paris"))
                result = {
                    "type": "tool_result",
                    "tool_use_id": call["id"],
                    "is_error": False,
                    "content": [{"type": "text", "text": "file.txt"}],
                    "cache_control": {"type": "ephemeral"},
                }
                body["messages"] += [{"role": "assistant", "content": said}, {"role": "user", "content": [result]}]
                status, text = self.send(self.PATH, headers, body)
                self.assertEqual(status, 200, text)
                self.assertEqual(self.said(self.message(text))[-1], {"type": "text", "text": "The tool said: file.txt"})

    def test_tokens_are_counted_by_who_can_and_estimated_for_the_others(self):
        counted = ("model", "messages", "system", "tools", "thinking")
        for target, headers, body in self.each("claudeCode"):
            with self.subTest(target):
                asked = {name: value for name, value in body.items() if name in counted}
                status, text = self.send("/v1/messages/count_tokens?beta=true", headers, asked)
                self.assertEqual(status, 200, text)
                counts = target in ("anthropic", "claude-on-vertex")
                self.assertEqual(json.loads(text)["input_tokens"] == 11, counts, text)

    def test_an_overload_is_told_in_the_callers_form(self):
        for target, headers, body in self.each("claudeCode"):
            with self.subTest(target):
                body["messages"][0]["content"][1]["text"] = "error 529"
                status, text = self.send(self.PATH, headers, body)
                self.assertIn(status, (502, 503, 529), text)
                self.assertEqual(json.loads(text)["type"], "error")


class Codex(Agents):
    PATH = "/v1/responses"

    def output(self, text: str) -> list[dict]:
        """The items of a streamed response; numbers and the end are checked on the way."""
        found = events(text)
        self.assertEqual([event["sequence_number"] for event in found], list(range(len(found))), text)
        self.assertEqual((found[0]["type"], found[-1]["type"]), ("response.created", "response.completed"), text)
        done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
        self.assertEqual([item["type"] for item in done], [item["type"] for item in found[-1]["response"]["output"]])
        return done

    def turn(self, headers: dict, body: dict, packed: bool) -> None:
        """A call of a tool, and the answer to its result."""
        status, text = self.send(self.PATH, headers, body, packed)
        self.assertEqual(status, 200, text)
        items = self.output(text)
        call = items[-1]
        self.assertIn(call["type"], ("function_call", "custom_tool_call"))
        result = {"type": f"{call['type']}_output", "call_id": call["call_id"], "output": "Exit code: 0\nfile.txt"}
        # Codex sends items back without their ids and states.
        said = [{name: value for name, value in item.items() if name not in ("id", "status")} for item in items]
        status, text = self.send(self.PATH, headers, {**body, "input": [*body["input"], *said, result]}, packed)
        self.assertEqual(status, 200, text)
        (message,) = [item for item in self.output(text) if item["type"] == "message"]
        self.assertEqual(message["content"][0]["text"], "The tool said: Exit code: 0\nfile.txt")

    def test_a_turn_with_a_tool_plain_and_packed(self):
        for target, headers, body in self.each("codex"):
            with self.subTest(target):
                for packed in (False, True):
                    self.turn(headers, body, packed)

    def test_a_turn_with_a_custom_tool(self):
        for target, headers, body in self.each("codex"):
            with self.subTest(target):
                if target in ("openai", "azure"):
                    body["input"][-1]["content"][0]["text"] = "call apply_patch"
                    self.turn(headers, body, False)
