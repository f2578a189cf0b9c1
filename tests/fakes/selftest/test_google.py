"""The google-genai package, directly: on the Gemini API and on Vertex AI."""

import base64

from google import genai
from google.auth.credentials import AnonymousCredentials
from google.genai import errors, types

from tests.fakes.vendors import LOCATION, PROJECT, key

from .base import PIXEL, WEATHER, FakesCase

FUNCTION = types.FunctionDeclaration(name="weather", description="d", parameters_json_schema=WEATHER)


class BothHosts(FakesCase):
    def each(self):
        """A client of each host."""
        token = AnonymousCredentials()
        token.token = key("vertex")
        clients = [
            genai.Client(api_key=key("gemini"), http_options=types.HttpOptions(base_url=self.url("gemini"))),
            genai.Client(
                vertexai=True,
                project=PROJECT,
                location=LOCATION,
                credentials=token,
                http_options=types.HttpOptions(base_url=self.url("vertex"), api_version="v1"),
            ),
        ]
        for client in clients:
            yield client, self.subTest(vertex=client.vertexai)

    def test_a_call_and_a_stream(self):
        for client, case in self.each():
            with case:
                answer = client.models.generate_content(model="gemini-3-pro", contents="say hello there")
                self.assertEqual((answer.text, answer.candidates[0].finish_reason.value), ("hello there", "STOP"))
                usage = answer.usage_metadata
                self.assertEqual(
                    (usage.prompt_token_count, usage.cached_content_token_count, usage.total_token_count), (11, 3, 18)
                )
                chunks = list(client.models.generate_content_stream(model="gemini-3-pro", contents="long"))
                self.assertEqual(len("".join(chunk.text for chunk in chunks).split()), 64)

    def test_a_tool_is_called_and_its_result_quoted(self):
        for client, case in self.each():
            with case:
                config = types.GenerateContentConfig(
                    tools=[types.Tool(function_declarations=[FUNCTION])],
                    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
                )
                question = types.Content(role="user", parts=[types.Part(text="call weather")])
                first = client.models.generate_content(model="gemini-3-pro", contents=[question], config=config)
                self.assertEqual(first.function_calls[0].args, {"city": "Paris"})
                result = types.Part.from_function_response(name="weather", response={"result": "sunny"})
                answer = client.models.generate_content(
                    model="gemini-3-pro",
                    config=config,
                    contents=[question, first.candidates[0].content, types.Content(role="user", parts=[result])],
                )
                self.assertEqual(answer.text, "The tool said: sunny")

    def test_structure_thoughts_and_pictures(self):
        for client, case in self.each():
            with case:
                config = types.GenerateContentConfig(
                    response_mime_type="application/json", response_json_schema=WEATHER
                )
                answer = client.models.generate_content(model="gemini-3-pro", contents="json", config=config)
                self.assertEqual(answer.text, '{"city":"Paris"}')
                config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
                answer = client.models.generate_content(model="gemini-3-pro", contents="think so", config=config)
                self.assertEqual([part.thought for part in answer.candidates[0].content.parts], [True, None, None])
                picture = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
                answer = client.models.generate_content(model="gemini-3-pro", contents=[picture, "look"])
                self.assertEqual(answer.text, "I see image/png")

    def test_errors_and_blocked_prompts(self):
        for client, case in self.each():
            with case:
                for text, status in (("error 429", "RESOURCE_EXHAUSTED"), ("error context", "INVALID_ARGUMENT")):
                    with self.assertRaises(errors.ClientError) as raised:
                        client.models.generate_content(model="gemini-3-pro", contents=text)
                    self.assertEqual(raised.exception.status, status)
                answer = client.models.generate_content(model="gemini-3-pro", contents="error filter")
                self.assertEqual(answer.prompt_feedback.block_reason.value, "SAFETY")

    def test_embeddings_and_counting(self):
        for client, case in self.each():
            with case:
                answer = client.models.embed_content(model="gemini-embedding-001", contents=["a"])
                self.assertEqual(answer.embeddings[0].values, [0.5, -0.25, 1.0])
                self.assertEqual(client.models.count_tokens(model="gemini-3-pro", contents="a").total_tokens, 11)
