"""The mistralai package, directly."""

from mistralai.client import Mistral

from tests.fakes.vendors import key

from .base import PIXEL, WEATHER, FakesCase

MODEL = "mistral-large-2512"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


class MistralAI(FakesCase):
    def setUp(self):
        self.client = Mistral(api_key=key("mistral"), server_url=self.url("mistral"))

    def test_a_call_a_stream_and_thoughts(self):
        question = [{"role": "user", "content": "think so"}]
        answer = self.client.chat.complete(model=MODEL, messages=question, random_seed=7, max_tokens=100)
        self.assertEqual(answer.choices[0].message.content, "so")
        answer = self.client.chat.complete(model=MODEL, messages=question, reasoning_effort="high")
        self.assertEqual([part.type for part in answer.choices[0].message.content], ["thinking", "text"])
        events = list(self.client.chat.stream(model=MODEL, messages=[{"role": "user", "content": "long"}]))
        text = "".join(event.data.choices[0].delta.content or "" for event in events)
        self.assertEqual((len(text.split()), events[-1].data.usage.total_tokens), (64, 18))

    def test_tools_structure_and_pictures(self):
        question = {"role": "user", "content": "call weather"}
        said = self.client.chat.complete(model=MODEL, messages=[question], tools=[TOOL]).choices[0].message
        self.assertEqual(len(said.tool_calls[0].id), 9)
        result = {"role": "tool", "name": "weather", "content": "sunny", "tool_call_id": said.tool_calls[0].id}
        answer = self.client.chat.complete(model=MODEL, messages=[question, said, result], tools=[TOOL])
        self.assertEqual(answer.choices[0].message.content, "The tool said: sunny")
        form = {"type": "json_schema", "json_schema": {"name": "place", "schema": WEATHER, "strict": True}}
        answer = self.client.chat.complete(
            model=MODEL, messages=[{"role": "user", "content": "json"}], response_format=form
        )
        self.assertEqual(answer.choices[0].message.content, '{"city":"Paris"}')
        picture = {"type": "image_url", "image_url": f"data:image/png;base64,{PIXEL}"}
        content = [{"type": "text", "text": "look"}, picture]
        answer = self.client.chat.complete(model=MODEL, messages=[{"role": "user", "content": content}])
        self.assertEqual(answer.choices[0].message.content, "I see image/png")
