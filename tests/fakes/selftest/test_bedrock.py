"""boto3, directly: Converse, InvokeModel, both streams, signatures."""

import base64
import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from tests.fakes.sigv4 import ACCESS_KEY, SECRET_KEY
from tests.fakes.vendors import CLAUDE_ON_BEDROCK, REGION, TITAN

from .base import PIXEL, WEATHER, FakesCase


def asked(text: str) -> list[dict]:
    """One user's message."""
    return [{"role": "user", "content": [{"text": text}]}]


class Bedrock(FakesCase):
    def client(self, secret: str = SECRET_KEY):
        """A client with this secret."""
        return boto3.client(
            "bedrock-runtime",
            region_name=REGION,
            endpoint_url=self.url("bedrock"),
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=secret,
            config=Config(retries={"max_attempts": 0}),
        )

    def converse(self, **body) -> dict:
        """One call of Converse."""
        return self.client().converse(modelId=CLAUDE_ON_BEDROCK, **body)

    def test_a_call_and_a_stream(self):
        answer = self.converse(messages=asked("say hello there"))
        self.assertEqual(answer["output"]["message"]["content"], [{"text": "hello there"}])
        self.assertEqual(answer["usage"]["totalTokens"], 18)
        stream = self.client().converse_stream(modelId=CLAUDE_ON_BEDROCK, messages=asked("long"))["stream"]
        events = [(name, event) for each in stream for name, event in each.items()]
        text = "".join(event["delta"]["text"] for name, event in events if name == "contentBlockDelta")
        self.assertEqual((len(text.split()), events[-1][0]), (64, "metadata"))

    def test_a_tool_is_called_with_thoughts_and_its_result_quoted(self):
        more = {
            "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": WEATHER}}}]},
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        }
        first = self.converse(messages=asked("call weather"), **more)
        self.assertEqual(first["stopReason"], "tool_use")
        said = first["output"]["message"]
        call = said["content"][1]["toolUse"]
        result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "sunny"}]}}
        answer = self.converse(messages=[*asked("call weather"), said, {"role": "user", "content": [result]}], **more)
        self.assertEqual(answer["output"]["message"]["content"][-1], {"text": "The tool said: sunny"})

    def test_structure_and_pictures(self):
        form = {
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"name": "n", "schema": json.dumps(WEATHER)}},
            }
        }
        answer = self.converse(messages=asked("json"), outputConfig=form)
        self.assertEqual(answer["output"]["message"]["content"][0]["text"], '{"city":"Paris"}')
        picture = {"image": {"format": "png", "source": {"bytes": base64.b64decode(PIXEL)}}}
        answer = self.converse(messages=[{"role": "user", "content": [picture, {"text": "look"}]}])
        self.assertEqual(answer["output"]["message"]["content"][0]["text"], "I see image/png")

    def test_errors(self):
        for text, code in (("error 429", "ThrottlingException"), ("error context", "ValidationException")):
            with self.assertRaises(ClientError) as raised:
                self.converse(messages=asked(text))
            self.assertEqual(raised.exception.response["Error"]["Code"], code)
        with self.assertRaises(EventStreamError):
            list(self.client().converse_stream(modelId=CLAUDE_ON_BEDROCK, messages=asked("late error"))["stream"])

    def test_a_wrong_secret_is_refused(self):
        with self.assertRaises(ClientError) as raised:
            self.client("wrong").converse(modelId=CLAUDE_ON_BEDROCK, messages=asked("say hi"))
        self.assertEqual(raised.exception.response["Error"]["Code"], "InvalidSignatureException")
        self.assertIn("does not match", self.broken()[0])

    def test_invoke_model(self):
        body = {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "say hi"}],
        }
        answer = self.client().invoke_model(modelId=CLAUDE_ON_BEDROCK, body=json.dumps(body))
        self.assertEqual(json.load(answer["body"])["content"][0]["text"], "hi")
        with self.assertRaises(ClientError) as raised:
            self.client().invoke_model(modelId=CLAUDE_ON_BEDROCK, body=json.dumps(body | {"stream": True}))
        self.assertIn("Malformed input request", raised.exception.response["Error"]["Message"])
        self.broken()
        answer = self.client().invoke_model(modelId=TITAN, body=json.dumps({"inputText": "a"}))
        self.assertEqual(json.load(answer["body"])["embedding"], [0.5, -0.25, 1.0])
