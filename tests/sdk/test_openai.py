"""The official openai package, unmodified but for its base URL."""

import asyncio
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

import openai

from .sidecar import ROOT, Sidecar

QUICKSTART = ROOT / "tests" / "manifests" / "quickstart"
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}

SIMULATED = """
apiVersion: lotse.dev/v1alpha1
kind: LLMProvider
metadata: {{name: {name}, namespace: lotse-system}}
spec:
  vendor: example
  api: Simulated
  operatedBy: Self
  consumers: {{namespaceSelector: {{}}}}
  models: [{{name: {name}}}]
  evidence: [{{name: own, kind: Contractual, source: ours}}]
  promises:
    inference: {{regions: [DE], evidence: [own]}}
    storage: {{regions: [DE], evidence: [own]}}
    access: {{regions: [DE], evidence: [own]}}
  simulated: {{{simulated}}}
---
apiVersion: lotse.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}, namespace: support}}
spec: {{models: [{name}], tiers: [{{targets: [{{model: {name}, provider: {{name: {name}, namespace: lotse-system}}}}]}}]}}
"""


def client(sidecar: Sidecar) -> openai.OpenAI:
    return openai.OpenAI(base_url=sidecar.url, api_key="not-needed")


class OnTheQuickStart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        files = {
            "cut.yaml": SIMULATED.format(name="cut", simulated="cutPercent: 100, cutAfterTokens: 2, answer: one two three"),
            "ill.yaml": SIMULATED.format(name="ill", simulated="errorPercent: 100"),
        }
        cls.sidecar = cls.enterClassContext(Sidecar(QUICKSTART, "support", files))

    def test_an_answer_that_is_not_streamed(self):
        answer = client(self.sidecar).chat.completions.create(**ASKED)

        self.assertRegex(answer.choices[0].message.content, "from (Paris|Frankfurt|Dublin)")
        self.assertRegex(answer.model_extra["provider"], "lotse-system/(paris|frankfurt|dublin)")
        self.assertGreater(answer.usage.model_extra["cost"], 0)

    def test_a_stream(self):
        options = {"include_usage": True}
        chunks = list(client(self.sidecar).chat.completions.create(**ASKED, stream=True, stream_options=options))

        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        self.assertRegex(text, "from (Paris|Frankfurt|Dublin)")
        self.assertGreater(chunks[-1].usage.model_extra["cost"], 0)

    def test_the_stream_helper(self):
        with client(self.sidecar).chat.completions.stream(**ASKED) as stream:
            answer = stream.get_final_completion()

        self.assertRegex(answer.choices[0].message.content, "from (Paris|Frankfurt|Dublin)")

    def test_many_at_once(self):
        async def ask():
            async with openai.AsyncOpenAI(base_url=self.sidecar.url, api_key="not-needed") as asynchronous:
                calls = [asynchronous.chat.completions.create(**ASKED) for _ in range(20)]
                return await asyncio.gather(*calls)

        answers = asyncio.run(ask())

        self.assertEqual(len([answer for answer in answers if "from" in answer.choices[0].message.content]), 20)

    def test_the_models_that_there_are(self):
        models = [model.id for model in client(self.sidecar).models.list()]

        self.assertEqual(models, ["cut", "gpt-4o", "ill", "openai/gpt-4o"])

    def test_a_stream_that_is_cut_raises_and_does_not_end_as_if_it_were_whole(self):
        stream = client(self.sidecar).chat.completions.create(**ASKED | {"model": "cut"}, stream=True)
        text = ""

        with self.assertRaises(openai.APIError) as raised:
            for chunk in stream:
                text += chunk.choices[0].delta.content or ""

        self.assertEqual(text, "one two ")
        self.assertEqual(raised.exception.code, "all_providers_failed")

    def test_errors_are_the_packages_own_and_are_not_retried(self):
        for model, kind, code in [
            ("nothing", openai.NotFoundError, "model_not_found"),
            ("ill", openai.InternalServerError, "all_providers_failed"),
        ]:
            with self.assertRaises(kind) as raised:
                client(self.sidecar).chat.completions.create(**ASKED | {"model": model})

            self.assertEqual(raised.exception.code, code)
            self.assertEqual(raised.exception.response.headers["x-should-retry"], "false")

    def test_a_refusal_says_who_is_out_and_why(self):
        path = self.sidecar.folder / "policy.yaml"
        text = path.read_text()
        with Sidecar(self.sidecar.folder, "support", {"policy.yaml": text.replace("[EEA]", "[CH]", 1)}) as strict:
            with self.assertRaises(openai.PermissionDeniedError) as raised:
                client(strict).chat.completions.create(**ASKED)

        self.assertEqual(raised.exception.code, "policy_denied")
        excluded = raised.exception.body["metadata"]["excluded"]
        paris = next(entry for entry in excluded if entry["provider"] == "lotse-system/paris")
        self.assertIn("inference_region_not_allowed", paris["reasons"])
        self.assertEqual(paris["policy"], "lotse-system/european-data")


class Redirects(unittest.TestCase):
    def test_a_redirect_leads_the_package_nowhere(self):
        reached = []

        class Elsewhere(BaseHTTPRequestHandler):
            def do_POST(self):
                reached.append(self.path)
                self.send_response(307)
                self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/stolen")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Elsewhere)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        manifests = SIMULATED.format(name="moved", simulated="").replace("  simulated: {}\n", "").replace(
            "  api: Simulated\n",
            f"  api: OpenAI\n  baseURL: http://127.0.0.1:{server.server_port}/v1\n  allowedAddresses: [127.0.0.0/8]\n",
        )
        with Sidecar(QUICKSTART, "support", {"moved.yaml": manifests}) as sidecar:
            with self.assertRaises(openai.InternalServerError) as raised:
                client(sidecar).chat.completions.create(**ASKED | {"model": "moved"})

        self.assertEqual(raised.exception.body["metadata"]["attempts"][0]["code"], "redirect_refused")
        self.assertEqual(reached, ["/v1/chat/completions"])
