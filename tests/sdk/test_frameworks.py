"""Frameworks that apps use: LangChain, and the AI SDK of Vercel. One call, one stream, one tool each."""

import json
import subprocess
from pathlib import Path

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from .node import NODE, installed
from .stage import Stage

TARGETS = ("openai", "anthropic", "gemini", "bedrock", "mistral", "azure", "vllm")


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


class LangChain(Stage):
    targets = TARGETS

    def models(self):
        """Each target, asked in each dialect that LangChain speaks."""
        for target in self.targets:
            url = self.sidecar.url
            yield (
                f"{target}, Chat Completions",
                ChatOpenAI(model=target, base_url=url, api_key="not-needed", max_retries=0, stream_usage=True),
            )
            yield (
                f"{target}, Responses",
                ChatOpenAI(model=target, base_url=url, api_key="not-needed", max_retries=0, use_responses_api=True),
            )
            yield (
                f"{target}, Messages",
                ChatAnthropic(
                    model_name=target,
                    base_url=self.root,
                    api_key="not-needed",
                    max_retries=0,
                    max_tokens=1000,
                    timeout=30,
                    stop=None,
                ),
            )

    def test_a_call_and_a_stream(self):
        for name, model in self.models():
            with self.subTest(name):
                self.assertEqual(model.invoke("say hello there").text, "hello there")
                whole = None
                for chunk in model.stream("say hello there"):
                    whole = chunk if whole is None else whole + chunk
                self.assertEqual(whole.text, "hello there")
                self.assertEqual(whole.usage_metadata["output_tokens"], 7)

    def test_a_tool(self):
        for name, model in self.models():
            with self.subTest(name):
                able, question = model.bind_tools([weather]), HumanMessage("call weather")
                said = able.invoke([question])
                (call,) = said.tool_calls
                self.assertEqual((call["name"], call["args"]), ("weather", {"city": "Paris"}))
                result = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
                self.assertEqual(able.invoke([question, said, result]).text, "The tool said: sunny in Paris")

    def test_structured_output(self):
        schema = {
            "title": "place",
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        }
        for name, model in self.models():
            if "Messages" not in name:
                with self.subTest(name):
                    form = model.with_structured_output(schema, method="json_schema", strict=True)
                    self.assertEqual(form.invoke("json"), {"city": "Paris"})

    def test_embeddings(self):
        for target in ("openai", "gemini", "bedrock", "azure"):
            with self.subTest(target):
                model = OpenAIEmbeddings(
                    model=f"{target}-embeddings",
                    base_url=self.sidecar.url,
                    api_key="not-needed",
                    check_embedding_ctx_length=False,
                )
                self.assertEqual(model.embed_query("a"), [0.5, -0.25, 1.0])


class VercelAI(Stage):
    targets = TARGETS

    def test_a_call_a_stream_and_a_tool(self):
        work = json.dumps({"url": self.sidecar.url, "targets": self.targets})
        program = installed(Path(__file__).parent / "ai.mjs")
        done = subprocess.run([NODE, program], input=work, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(lines), len(self.targets) * 3)
        for line in lines:
            with self.subTest(line["name"]):
                self.assertEqual(line.get("error"), None)
                self.assertEqual(line["seen"], ["hello there", "hello there", "The tool said: sunny in Paris"])
