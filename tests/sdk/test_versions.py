"""Versions of Messages: what an app says in `anthropic-version` holds as far as the provider goes along."""

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from .stage import Stage

OLD, NEW = "2023-06-01", "2026-10-21"
TARGETS = ("anthropic", "claude-on-foundry", "claude-on-vertex", "claude-on-bedrock", "bedrock", "gemini", "openai")


class Versions(Stage):
    targets = TARGETS

    def send(self, target: str, version: str | None, **more) -> tuple[int, dict]:
        """One message, and what comes back."""
        body = {"model": target, "max_tokens": 100, "messages": [{"role": "user", "content": "say hi"}], **more}
        headers = {"content-type": "application/json", "x-api-key": "not-needed"}
        headers |= {"anthropic-version": version} if version else {}
        try:
            with urlopen(Request(f"{self.root}/v1/messages", json.dumps(body).encode(), headers)) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)

    def test_each_version_and_none(self):
        for target in self.targets:
            for version in (OLD, NEW, None):
                with self.subTest(f"{target}, {version}"):
                    status, answer = self.send(target, version)
                    self.assertEqual((status, answer.get("content", [{}])[0].get("text")), (200, "hi"), answer)

    def test_the_old_one_has_a_temperature(self):
        for target in self.targets:
            with self.subTest(target):
                status, answer = self.send(target, OLD, temperature=0.5, top_p=0.9)
                self.assertEqual(status, 200, answer)

    def test_the_new_one_has_messages_of_the_system(self):
        messages = [{"role": "user", "content": "system"}, {"role": "system", "content": "be brief"}]
        for target in self.targets:
            with self.subTest(target):
                status, answer = self.send(target, NEW, messages=messages)
                if status == 200:
                    self.assertEqual(answer["content"][0]["text"], "I was told: be brief")
                else:
                    self.assertEqual((status, answer["type"]), (400, "error"), answer)
                    self.fakes.drain("violations")
