"""The anthropic package, directly: on Anthropic's host, Bedrock, Vertex, Foundry, and others that take its body."""

import anthropic

from tests.fakes.sigv4 import ACCESS_KEY, SECRET_KEY
from tests.fakes.vendors import CLAUDE, CLAUDE_ON_VERTEX, LOCATION, NEWER_ON_BEDROCK, PROJECT, REGION, key

from .base import PIXEL, WEATHER, FakesCase

TOOL = {"name": "weather", "description": "d", "input_schema": WEATHER}


def asked(text: str) -> list[dict]:
    """One user's message."""
    return [{"role": "user", "content": text}]


class EveryHost(FakesCase):
    def each(self):
        """Each host's client and name of the model."""
        hosts = [
            (anthropic.Anthropic(base_url=self.url("anthropic"), api_key=key("anthropic"), max_retries=0), CLAUDE),
            (
                anthropic.AnthropicBedrock(
                    base_url=self.url("bedrock"),
                    aws_access_key=ACCESS_KEY,
                    aws_secret_key=SECRET_KEY,
                    aws_region=REGION,
                    max_retries=0,
                ),
                NEWER_ON_BEDROCK,
            ),
            (
                anthropic.AnthropicVertex(
                    base_url=self.url("vertex", "/v1"),
                    access_token=key("vertex"),
                    project_id=PROJECT,
                    region=LOCATION,
                    max_retries=0,
                ),
                CLAUDE_ON_VERTEX,
            ),
            (
                anthropic.AnthropicFoundry(
                    base_url=self.url("foundry", "/anthropic"), api_key=key("foundry"), max_retries=0
                ),
                CLAUDE,
            ),
        ]
        for client, model in hosts:
            yield client, {"model": model, "max_tokens": 2000}

    def test_a_call_and_a_stream(self):
        for client, more in self.each():
            with self.subTest(type(client).__name__), client:
                answer = client.messages.create(messages=asked("say hello there"), **more)
                self.assertEqual((answer.content[0].text, answer.stop_reason), ("hello there", "end_turn"))
                self.assertEqual((answer.usage.input_tokens, answer.usage.cache_read_input_tokens), (8, 3))
                with client.messages.stream(messages=asked("long"), **more) as stream:
                    self.assertEqual(len(stream.get_final_message().content[0].text.split()), 64)

    def test_a_tool_is_called_with_thoughts_and_its_result_quoted(self):
        for client, more in self.each():
            with self.subTest(type(client).__name__), client:
                more |= {"tools": [TOOL], "thinking": {"type": "enabled", "budget_tokens": 1024}}
                with client.messages.stream(messages=asked("call weather"), **more) as stream:
                    first = stream.get_final_message()
                self.assertEqual([block.type for block in first.content], ["thinking", "tool_use"])
                result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": "sunny"}
                said = {
                    "role": "assistant",
                    "content": [
                        block.model_dump(
                            exclude_none=True, include={"type", "thinking", "signature", "id", "name", "input"}
                        )
                        for block in first.content
                    ],
                }
                answer = client.messages.create(
                    messages=[*asked("call weather"), said, {"role": "user", "content": [result]}], **more
                )
                self.assertEqual(answer.content[-1].text, "The tool said: sunny")

    def test_structure_pictures_and_refusals(self):
        for client, more in self.each():
            with self.subTest(type(client).__name__), client:
                form = {"format": {"type": "json_schema", "schema": WEATHER}}
                answer = client.messages.create(messages=asked("json"), output_config=form, **more)
                self.assertEqual(answer.content[0].text, '{"city":"Paris"}')
                source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
                content = [{"type": "image", "source": source}, {"type": "text", "text": "look"}]
                answer = client.messages.create(messages=[{"role": "user", "content": content}], **more)
                self.assertEqual(answer.content[0].text, "I see image/png")
                self.assertEqual(client.messages.create(messages=asked("error filter"), **more).stop_reason, "refusal")

    def test_errors(self):
        for client, more in self.each():
            with self.subTest(type(client).__name__), client:
                for text, kind in (
                    ("error 429", anthropic.RateLimitError),
                    ("error 400", anthropic.BadRequestError),
                    ("error 500", anthropic.InternalServerError),
                ):
                    with self.assertRaises(kind):
                        client.messages.create(messages=asked(text), **more)
                with (
                    self.assertRaises(Exception) as raised,
                    client.messages.create(messages=asked("late error"), stream=True, **more) as stream,
                ):
                    list(stream)
                self.assertNotIsInstance(raised.exception, AssertionError)

    def test_counting_where_there_is(self):
        for client, more in self.each():
            with self.subTest(type(client).__name__), client:
                if not isinstance(client, anthropic.AnthropicBedrock):
                    counted = client.messages.count_tokens(messages=asked("hi"), model=more["model"])
                    self.assertEqual(counted.input_tokens, 11)


class Compatible(FakesCase):
    def test_vendors_with_a_messages_endpoint_of_their_own(self):
        for vendor, base, model in (
            ("fireworks", "/inference", "accounts/fireworks/models/gpt-oss-120b"),
            ("vllm", "", "llama-3.3-70b"),
            ("cortecs", "", "gpt-4o"),
        ):
            with (
                self.subTest(vendor),
                anthropic.Anthropic(base_url=self.url(vendor, base), auth_token=key(vendor), api_key=None) as client,
            ):
                answer = client.messages.create(model=model, max_tokens=9, messages=asked("say hello"))
                self.assertEqual(answer.content[0].text, "hello")
