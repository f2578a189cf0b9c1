"""The openai package, directly: every vendor with OpenAI's paths, both kinds of Azure, OpenAI's further endpoints."""

import io

import openai

from tests.fakes.compatible import RULES
from tests.fakes.vendors import API_VERSION, key

from .base import PIXEL, WEATHER, FakesCase

PROVIDER = {"provider": {"allow_fallbacks": False, "data_collection": "deny"}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


def asked(text: str) -> list[dict]:
    """One user's message."""
    return [{"role": "user", "content": text}]


class EveryVendor(FakesCase):
    def each(self, surface: str = "chat"):
        """The client, the rules and what calls always carry, of each vendor that has this surface."""
        for rules, bases, _ in (row for row in RULES if surface in row[2]):
            headers = (
                {"x-portkey-api-key": key("portkey"), "x-portkey-provider": "openai"} if rules.name == "portkey" else {}
            )
            api_key = "upstream" if rules.name == "portkey" else key(rules.name)
            client = openai.OpenAI(
                base_url=self.url(rules.name, bases[0]), api_key=api_key, max_retries=0, default_headers=headers
            )
            extra = PROVIDER if rules.name in ("openrouter", "eurouter") else {}
            yield client, rules, {"model": rules.models[0], "extra_body": extra}

    def test_a_call_and_a_stream(self):
        for client, rules, more in self.each():
            with self.subTest(rules.name), client:
                answer = client.chat.completions.create(messages=asked("say hello there"), **more)
                self.assertEqual(answer.choices[0].message.content, "hello there")
                self.assertEqual((answer.usage.prompt_tokens, answer.usage.completion_tokens), (11, 7))
                self.assertEqual(answer.choices[0].finish_reason, rules.finish.get("stop", "stop"))
                chunks = list(client.chat.completions.create(messages=asked("long"), stream=True, **more))
                text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
                self.assertEqual(len(text.split()), 64)

    def test_a_tool_is_called_and_its_result_quoted(self):
        for client, rules, more in self.each():
            with self.subTest(rules.name), client:
                question = asked("call")
                first = client.chat.completions.create(messages=question, tools=[TOOL], **more).choices[0]
                call = first.message.tool_calls[0]
                self.assertEqual((first.finish_reason, call.function.arguments), ("tool_calls", '{"city": "Paris"}'))
                said = {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {
                            "id": call.id,
                            "type": "function",
                            "function": {"name": "weather", "arguments": call.function.arguments},
                        }
                    ],
                }
                result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
                answer = client.chat.completions.create(messages=[*question, said, result], tools=[TOOL], **more)
                self.assertEqual(answer.choices[0].message.content, "The tool said: sunny")

    def test_errors_have_the_vendors_shape(self):
        for client, rules, more in self.each():
            with self.subTest(rules.name), client:
                with self.assertRaises(openai.RateLimitError) as raised:
                    client.chat.completions.create(messages=asked("error 429"), **more)
                self.assertEqual(raised.exception.response.headers["retry-after"], "1")
                with self.assertRaises(openai.APIStatusError) as raised:
                    client.chat.completions.create(messages=asked("error context"), **more)
                self.assertEqual(raised.exception.status_code, rules.invalid_status)

    def test_responses_where_there_are(self):
        for client, rules, more in self.each("responses"):
            with self.subTest(rules.name), client:
                answer = client.responses.create(input="say hello", **more)
                self.assertEqual(answer.output_text, "hello")
                events = list(client.responses.create(input="long", stream=True, **more))
                self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
                self.assertEqual(events[-1].type, "response.completed")


class OpenAI(FakesCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=self.url("openai", "/v1"), api_key=key("openai"))
        self.addCleanup(self.client.close)

    def test_structured_output_vision_and_stream_helper(self):
        form = {"type": "json_schema", "json_schema": {"name": "place", "schema": WEATHER, "strict": True}}
        answer = self.client.chat.completions.create(model="gpt-5.5", messages=asked("json"), response_format=form)
        self.assertEqual(answer.choices[0].message.content, '{"city":"Paris"}')
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        content = [{"type": "text", "text": "look"}, picture]
        answer = self.client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": content}])
        self.assertEqual(answer.choices[0].message.content, "I see image/png")
        with self.client.chat.completions.stream(
            model="gpt-5.5", messages=asked("call"), tools=[{**TOOL, "function": {**TOOL["function"], "strict": True}}]
        ) as stream:
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.tool_calls[0].function.parsed_arguments, {"city": "Paris"})

    def test_a_retry_after_one_failure(self):
        answer = self.client.chat.completions.create(model="gpt-5.5", messages=asked("flaky"))
        self.assertEqual(answer.choices[0].message.content, "recovered")

    def test_broken_streams_raise(self):
        for text in ("cut", "late error"):
            with (
                self.assertRaises(Exception) as raised,
                self.client.chat.completions.create(model="gpt-5.5", messages=asked(text), stream=True) as stream,
            ):
                list(stream)
            self.assertIn(type(raised.exception).__name__, ("APIError", "RemoteProtocolError", "APIConnectionError"))

    def test_responses_with_tools_thoughts_and_their_encryption(self):
        custom = {"type": "custom", "name": "sql"}
        answer = self.client.responses.create(
            model="gpt-5.5",
            input="call sql",
            tools=[custom],
            reasoning={"effort": "low", "summary": "auto"},
            include=["reasoning.encrypted_content"],
            store=False,
        )
        self.assertEqual([item.type for item in answer.output], ["reasoning", "custom_tool_call"])
        result = {"type": "custom_tool_call_output", "call_id": answer.output[1].call_id, "output": "3 rows"}
        said = [item.model_dump(exclude_none=True) for item in answer.output]
        answer = self.client.responses.create(
            model="gpt-5.5", input=[*asked("call sql"), *said, result], tools=[custom], store=False
        )
        self.assertEqual(answer.output_text, "The tool said: 3 rows")

    def test_the_further_endpoints(self):
        vectors = self.client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        self.assertEqual([row.embedding for row in vectors.data], [[0.5, -0.25, 1.0]] * 2)
        self.assertEqual(self.client.completions.create(model="gpt-5.5", prompt="say x y").choices[0].text, "x y")
        self.assertEqual(self.client.images.generate(model="gpt-image-1", prompt="x").data[0].b64_json[:4], "iVBO")
        self.assertTrue(self.client.moderations.create(input="violence").results[0].flagged)
        self.assertEqual(self.client.audio.speech.create(model="tts-1", voice="alloy", input="hi").content, b"ID3hi")
        file = ("a.wav", io.BytesIO(b"RIFF\r\n--x"), "audio/wav")
        self.assertEqual(self.client.audio.transcriptions.create(model="whisper-1", file=file).text, "9 bytes")
        self.assertEqual([model.id for model in self.client.models.list()][0], "gpt-5.5")


class Azure(FakesCase):
    def test_the_dated_api_and_the_one_without_a_date(self):
        dated = openai.AzureOpenAI(azure_endpoint=self.url("azure"), api_key=key("azure"), api_version=API_VERSION)
        plain = openai.OpenAI(base_url=self.url("azure", "/openai/v1"), api_key=key("azure"))
        for client in (dated, plain):
            with client:
                answer = client.chat.completions.create(model="gpt-5.5", messages=asked("say hi"))
                self.assertEqual(answer.choices[0].message.content, "hi")
                chunks = list(client.chat.completions.create(model="gpt-5.5", messages=asked("say hi"), stream=True))
                self.assertEqual(chunks[0].choices, [])
                with self.assertRaises(openai.BadRequestError) as raised:
                    client.chat.completions.create(model="gpt-5.5", messages=asked("error filter"))
                self.assertEqual(raised.exception.body["innererror"]["code"], "ResponsibleAIPolicyViolation")
