"""How a call was routed, as apps that were written for OpenRouter are told: with `X-OpenRouter-Metadata: enabled`, in
answers, on the last chunk of a stream, and on errors. OpenRouter's own package says whether it has the right form."""

import json
import tempfile
import unittest
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import anthropic
import openai
from openrouter import OpenRouter
from openrouter.components import OpenRouterMetadata

from . import openrouter_world, scripted
from .scripted import Provider, refuses, says, streams

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
WANTED = {"X-OpenRouter-Metadata": "enabled"}


class Told(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.sidecar = cls.enterClassContext(openrouter_world.sidecar(folder))
        cls.openai = openai.OpenAI(base_url=cls.sidecar.url, api_key="not-needed")
        cls.anthropic = anthropic.Anthropic(base_url=cls.sidecar.url.removesuffix("/v1"), api_key="not-needed")

    def read(self, metadata: dict | None, requested: str = "gpt-4o") -> OpenRouterMetadata:
        """Metadata in OpenRouter's form, as its own package reads it, which must agree with itself."""
        self.assertIsNotNone(metadata, "there is no metadata")
        read = OpenRouterMetadata.model_validate(metadata)
        self.assertEqual(read.requested, requested)
        self.assertIn(read.strategy, ("direct", "fallback"))
        self.assertGreater(len(read.summary), 5)
        self.assertGreaterEqual(read.endpoints.total, len(read.endpoints.available))
        return read

    def is_of(self, read: OpenRouterMetadata, provider: str) -> None:
        """One candidate is selected, and it is this one."""
        selected = [each.provider for each in read.endpoints.available if each.selected]
        self.assertEqual(selected, [f"lotse-system/{provider}"], read)
        self.assertEqual((read.attempts[-1].provider, read.attempts[-1].status), (f"lotse-system/{provider}", 200))
        self.assertEqual(len(read.attempts), read.attempt)

    def fails(self, body: dict, path: str = "/chat/completions") -> tuple[int, dict]:
        """The status and body of a call that fails."""
        headers = WANTED | {"content-type": "application/json"}
        with self.assertRaises(HTTPError) as raised:
            urlopen(Request(self.sidecar.url + path, json.dumps(ASKED | body).encode(), headers))
        with raised.exception as error:
            return error.code, json.load(error)

    def test_an_answer(self):
        answer = self.openai.chat.completions.create(**ASKED, extra_headers=WANTED)

        read = self.read(answer.model_extra.get("openrouter_metadata"))
        self.is_of(read, "paris")
        self.assertEqual((read.attempt, read.strategy, read.is_byok), (1, "direct", False))

    def test_a_failover(self):
        body = {"provider": {"order": ["ill", "frankfurt"]}}
        answer = self.openai.chat.completions.create(**ASKED, extra_headers=WANTED, extra_body=body)

        read = self.read(answer.model_extra.get("openrouter_metadata"))
        self.is_of(read, "frankfurt")
        self.assertEqual([attempt.status for attempt in read.attempts], [503, 200])
        self.assertEqual(read.attempts[0].provider, "lotse-system/ill")

    def test_another_model(self):
        asked = ASKED | {"model": "broken"}
        answer = self.openai.chat.completions.create(**asked, extra_headers=WANTED, extra_body={"models": ["gpt-4o"]})

        read = self.read(answer.model_extra.get("openrouter_metadata"), "broken")
        self.is_of(read, "paris")
        self.assertEqual(read.strategy, "fallback")

    def test_only_the_last_chunk_of_a_stream(self):
        for options in ({}, {"stream_options": {"include_usage": True}}):
            with self.subTest(options):
                stream = self.openai.chat.completions.create(**ASKED, stream=True, extra_headers=WANTED, **options)
                *others, last = [chunk.model_extra.get("openrouter_metadata") for chunk in stream]
                self.assertEqual(set(map(str, others)), {"None"})
                self.is_of(self.read(last), "paris")

    def test_messages(self):
        asked = ASKED | {"max_tokens": 100, "extra_headers": WANTED}
        message = self.anthropic.messages.create(**asked)
        self.is_of(self.read(message.model_extra.get("openrouter_metadata")), "paris")

        stream = self.anthropic.messages.create(**asked, stream=True)
        *others, last = [(event.type, (event.model_extra or {}).get("openrouter_metadata")) for event in stream]
        self.assertEqual([metadata for _, metadata in others if metadata], [])
        self.assertEqual(last[0], "message_stop")
        self.is_of(self.read(last[1]), "paris")

    def test_responses(self):
        asked = {"model": "gpt-4o", "input": "hello", "store": False, "extra_headers": WANTED}
        answer = self.openai.responses.create(**asked)
        self.is_of(self.read(answer.model_extra.get("openrouter_metadata")), "paris")

        *_, last = self.openai.responses.create(**asked, stream=True)
        self.assertEqual(last.type, "response.completed")
        self.is_of(self.read(last.response.model_extra.get("openrouter_metadata")), "paris")

    def test_that_nobody_was_left(self):
        status, body = self.fails({"provider": {"max_price": {"prompt": 0.01}}})

        self.assertEqual((status, body["error"]["code"]), (404, "no_eligible_provider"))
        read = self.read(body.get("openrouter_metadata"))
        self.assertEqual((read.attempt, [each for each in read.endpoints.available if each.selected]), (0, []))

    def test_that_all_failed(self):
        status, body = self.fails({"model": "broken"})

        self.assertEqual((status, body["error"]["code"]), (502, "all_providers_failed"))
        read = self.read(body.get("openrouter_metadata"), "broken")
        self.assertEqual([(each.provider, each.status) for each in read.attempts], [("lotse-system/ill", 503)])
        self.assertEqual(read.attempt, 1)

    def test_errors_in_messages(self):
        status, body = self.fails({"model": "broken", "max_tokens": 100}, "/messages")

        self.assertEqual((status, body["type"], body["error"]["code"]), (502, "error", "all_providers_failed"))
        self.assertEqual(self.read(body.get("openrouter_metadata"), "broken").attempt, 1)

    def test_nothing_is_told_to_who_does_not_ask(self):
        for headers in ({}, {"X-OpenRouter-Metadata": "disabled"}):
            answer = self.openai.chat.completions.create(**ASKED, extra_headers=headers)
            self.assertNotIn("openrouter_metadata", answer.model_extra)
            stream = self.openai.chat.completions.create(**ASKED, stream=True, extra_headers=headers)
            self.assertEqual([chunk for chunk in stream if "openrouter_metadata" in chunk.model_extra], [])


class OfficialSDK(unittest.TestCase):
    def router(self, *providers: Provider) -> OpenRouter:
        """OpenRouter's own package on a sidecar that asks these, in order."""
        named = {f"p{at}": self.enterContext(provider) for at, provider in enumerate(providers)}
        folder = self.enterContext(tempfile.TemporaryDirectory())
        sidecar = self.enterContext(scripted.sidecar(folder, named))
        return self.enterContext(OpenRouter(api_key="not-needed", server_url=sidecar.url))

    def test_an_answer_and_a_stream(self):
        router = self.router(Provider(refuses(503)), Provider(says("two"), streams("tw", "o")))

        metadata = router.chat.send(**ASKED, x_open_router_metadata="enabled").openrouter_metadata
        self.assertEqual([attempt.status for attempt in metadata.attempts], [503, 200])
        self.assertEqual(metadata.attempts[-1].provider, "lotse-system/p1")

        with router.chat.send(**ASKED, stream=True, x_open_router_metadata="enabled") as events:
            *others, last = [chunk.openrouter_metadata for chunk in events]
        self.assertEqual(set(others), {None})
        self.assertEqual((last.requested, last.attempts[-1].provider), ("gpt-4o", "lotse-system/p1"))
