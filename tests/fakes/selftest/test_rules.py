"""What a provider would refuse is refused with its own words, and recorded."""

import hashlib
import json
import struct
import unittest
from zlib import crc32

from tests.fakes import eventstream, sigv4
from tests.fakes.model import Prompt, Tool, answer, fit
from tests.fakes.server import Request
from tests.fakes.vendors import CLAUDE, key

from .base import FakesCase

ASKED = [{"role": "user", "content": "say hi"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


class Model(unittest.TestCase):
    def test_what_it_says_depends_on_the_last_text_alone(self):
        self.assertEqual(answer(Prompt("say one two"), "x").chunks, ["one ", "two"])
        self.assertEqual(len(answer(Prompt("long"), "x").chunks), 64)
        self.assertEqual(answer(Prompt("say a STOP b", stops=["STOP"]), "x").sequence, "STOP")
        self.assertEqual(answer(Prompt("say a b c", limit=2), "x").stop, "length")
        self.assertEqual(answer(Prompt("x", results=["12"]), "x").text, "The tool said: 12")
        self.assertEqual(answer(Prompt("calls", [Tool("f", {}), Tool("g", {})]), "x").calls[1].name, "g")

    def test_values_fit_a_schema(self):
        schema = {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": "ARRAY", "items": {"enum": [7]}}},
            "$defs": {"A": {"anyOf": [{"type": "null"}]}},
        }

        self.assertEqual(fit(schema, schema), {"a": None, "b": [7]})


class Rules(FakesCase):
    def refused(self, vendor: str, path: str, body: dict, status: int, **headers: str) -> dict:
        """The body of a refusal with this status, which has been recorded."""
        found, told = self.post(vendor, path, body, **headers)
        self.assertEqual(found, status, told)
        self.assertTrue(self.broken())
        return told

    def test_openai_refuses_unknown_fields_and_results_without_calls(self):
        bearer = {"authorization": f"Bearer {key('openai')}"}
        body = {"model": "gpt-5.5", "messages": ASKED}
        path = "/v1/chat/completions"

        self.assertEqual(
            self.refused("openai", path, body | {"x": 1}, 400, **bearer)["error"]["code"], "unknown_parameter"
        )
        told = self.refused("openai", path, body | {"max_tokens": 5}, 400, **bearer)
        self.assertEqual(told["error"]["code"], "unsupported_parameter")
        self.refused(
            "openai", path, body | {"messages": [{"role": "tool", "tool_call_id": "c", "content": ""}]}, 400, **bearer
        )
        self.refused(
            "openai", path, body | {"messages": [*ASKED, {"role": "assistant", "tool_calls": [CALL]}]}, 400, **bearer
        )
        self.refused("openai", path, body, 401, authorization="Bearer wrong")
        self.refused("openai", "/chat/completions", body, 404, **bearer)

    def test_mistral_has_a_closed_schema(self):
        bearer = {"authorization": f"Bearer {key('mistral')}"}
        body = {"model": "mistral-large-2512", "messages": ASKED}

        for field in ("max_completion_tokens", "seed", "stream_options", "user"):
            told = self.refused("mistral", "/v1/chat/completions", body | {field: 1}, 422, **bearer)
            self.assertEqual(told["detail"][0]["loc"], ["body", field])
        told = self.refused(
            "mistral",
            "/v1/chat/completions",
            body | {"messages": [{"role": "developer", "content": ""}]},
            422,
            **bearer,
        )
        self.assertEqual(told["detail"][0]["loc"], ["body", "messages", 0, "role"])

    def test_openrouter_wants_no_fallback_and_no_collection(self):
        bearer = {"authorization": f"Bearer {key('openrouter')}"}
        body = {"model": "anthropic/claude-sonnet-4.5", "messages": ASKED}
        provider = {"allow_fallbacks": False, "data_collection": "deny"}

        self.refused("openrouter", "/api/v1/chat/completions", body, 400, **bearer)
        self.assertEqual(
            self.post("openrouter", "/api/v1/chat/completions", body | {"provider": provider}, **bearer)[0], 200
        )

    def test_vllm_ignores_in_silence_and_that_is_recorded(self):
        bearer = {"authorization": f"Bearer {key('vllm')}"}
        body = {"model": "llama-3.3-70b", "messages": ASKED, "guided_json": {}}

        self.assertEqual(self.post("vllm", "/v1/chat/completions", body, **bearer)[0], 200)
        self.assertEqual(self.broken(), ["guided_json is ignored in silence"])

    def test_anthropic_is_strict(self):
        headers = {"x_api_key": key("anthropic"), "anthropic_version": "2023-06-01"}
        body = {"model": CLAUDE, "messages": ASKED, "max_tokens": 5}
        path = "/v1/messages"

        told = self.refused("anthropic", path, {"model": CLAUDE, "messages": ASKED}, 400, **headers)
        self.assertEqual(told["error"]["message"], "max_tokens: Field required")
        told = self.refused("anthropic", path, body | {"seed": 1}, 400, **headers)
        self.assertEqual(told["error"]["message"], "seed: Extra inputs are not permitted")
        self.refused("anthropic", path, body | {"messages": [{"role": "system", "content": "x"}]}, 400, **headers)
        result = {"type": "tool_result", "tool_use_id": "t", "content": ""}
        self.refused("anthropic", path, body | {"messages": [{"role": "user", "content": [result]}]}, 400, **headers)
        self.refused("anthropic", path, body | {"temperature": 1.5}, 400, **headers)
        thought = {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "forged"}]}
        self.refused("anthropic", path, body | {"messages": [*ASKED, thought, *ASKED]}, 400, **headers)
        told = self.refused(
            "anthropic", path, body | {"temperature": 1}, 400, **headers | {"anthropic_version": "2026-10-21"}
        )
        self.assertIn("temperature", told["error"]["message"])
        self.refused("anthropic", path, body, 400, x_api_key=key("anthropic"))
        self.refused("anthropic", path, body, 401, anthropic_version="2023-06-01")

    def test_gemini_refuses_unknown_names(self):
        key_header = {"x_goog_api_key": key("gemini")}
        path = "/v1beta/models/gemini-3-pro:generateContent"
        body = {"contents": [{"role": "user", "parts": [{"text": "say hi"}]}]}

        told = self.refused("gemini", path, body | {"max_tokens": 5}, 400, **key_header)
        self.assertEqual(told["error"]["status"], "INVALID_ARGUMENT")
        self.assertIn('Unknown name "maxTokens"', told["error"]["message"])
        self.refused("gemini", path, body, 400, authorization="Bearer x")
        call = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
        result = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}
        told = self.refused("gemini", path, {"contents": [*body["contents"], call, result]}, 400, **key_header)
        self.assertIn("thought_signature", told["error"]["message"])

    def test_what_must_not_leave_the_pod_is_recorded(self):
        headers = {"authorization": f"Bearer {key('openai')}", "cookie": "a=b", "x_app": "not-needed"}

        self.post("openai", "/v1/chat/completions", {"model": "gpt-5.5", "messages": ASKED}, **headers)

        self.assertEqual(len(self.broken()), 2)


class Aws(unittest.TestCase):
    def test_a_frame_has_both_checksums(self):
        frame = eventstream.event("chunk", {"a": 1})
        total, headers, prelude = struct.unpack(">III", frame[:12])

        self.assertEqual((total, prelude), (len(frame), crc32(frame[:8])))
        self.assertEqual(struct.unpack(">I", frame[-4:])[0], crc32(frame[:-4]))
        self.assertEqual(json.loads(frame[12 + headers : -4]), {"a": 1, "p": "abcdefgh"})

    def test_a_wrong_signature_is_told(self):
        stamp = "20150830T123600Z"
        authorization = (
            f"AWS4-HMAC-SHA256 Credential={sigv4.ACCESS_KEY}/20150830/eu-central-1/bedrock/aws4_request, "
            f"SignedHeaders=host;x-amz-date, Signature={hashlib.sha256(b'').hexdigest()}"
        )
        headers = [("host", "x"), ("x-amz-date", stamp), ("authorization", authorization)]
        request = Request("POST", "/model/a%3A0/converse", "/model/a%3A0/converse", [], headers, b"{}")

        self.assertIn("does not fit", sigv4.complaint(request, "eu-central-1", "bedrock"))
        self.assertIn("credential scope", sigv4.complaint(request, "us-east-1", "bedrock"))
