"""A conversation that moves from one provider to another: its calls and results go along, and no provider sees thoughts
that another has signed."""

import itertools

import anthropic
import openai

from .stage import Stage

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TARGETS = ("anthropic", "claude-on-vertex", "bedrock", "gemini", "vertex", "openai", "mistral")


class Moving(Stage):
    targets = TARGETS
    drops = True

    def pairs(self):
        """Each two providers, in both orders."""
        return itertools.permutations(self.targets, 2)

    def test_in_messages(self):
        tools = [{"name": "weather", "description": "the weather", "input_schema": WEATHER}]
        with anthropic.Anthropic(base_url=self.root, api_key="not-needed", max_retries=0) as client:
            for first, second in self.pairs():
                with self.subTest(f"{first}, then {second}"):
                    more = {"tools": tools, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
                    question = {"role": "user", "content": "call weather"}
                    with client.messages.stream(model=first, messages=[question], **more) as stream:
                        said = stream.get_final_message()
                    call = next(block for block in said.content if block.type == "tool_use")
                    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
                    messages = [question, said.to_param(), {"role": "user", "content": [result]}]
                    answer = client.messages.create(model=second, messages=messages, **more)
                    text = next(block.text for block in answer.content if block.type == "text")
                    self.assertEqual(text, "The tool said: sunny")
                    self.assertEqual(self.fakes.drain("violations"), [])

    def test_in_responses(self):
        tools = [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}]
        more = {
            "tools": tools,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "high"},
        }
        with openai.OpenAI(base_url=self.sidecar.url, api_key="not-needed", max_retries=0) as client:
            for first, second in self.pairs():
                with self.subTest(f"{first}, then {second}"):
                    question = {"role": "user", "content": "call weather"}
                    said = client.responses.create(model=first, input=[question], **more)
                    call = next(item for item in said.output if item.type == "function_call")
                    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
                    items = [question, *(item.model_dump(exclude_none=True) for item in said.output), result]
                    answer = client.responses.create(model=second, input=items, **more)
                    self.assertEqual(answer.output_text, "The tool said: sunny")
                    self.assertEqual(self.fakes.drain("violations"), [])
