"""The SDKs' own retries against the sidecar's failover: what was tried everywhere is not repeated, what asks to wait is,
and nobody is worked for who has gone."""

import tempfile
import time
import unittest
from unittest import mock

import anthropic
import httpx2
import openai

from . import scripted
from .scripted import Provider, hangs, refuses, says, streams
from .sidecar import Program, Waiting

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
AT_ONCE = 2


class App:
    """An SDK as apps use it, with its own retries, and what it sends."""

    def __init__(self, url: str, **more):
        self.sent: list[httpx2.Request] = []
        self.hooks = [self.sent.append]
        client = httpx2.Client(event_hooks={"request": [lambda request: [hook(request) for hook in self.hooks]]})
        self.client = self.package.__dict__[self.kind](base_url=url, api_key="not-needed", http_client=client, **more)

    def counts(self) -> list[str]:
        """What each request says of how often it is a repetition."""
        return [request.headers["x-stainless-retry-count"] for request in self.sent]


class OpenAI(App):
    package, kind = openai, "OpenAI"

    def ask(self) -> str:
        return self.client.chat.completions.create(**ASKED).choices[0].message.content

    def stream(self) -> str:
        chunks = self.client.chat.completions.create(**ASKED, stream=True)
        return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


class Responses(OpenAI):
    def ask(self) -> str:
        return self.client.responses.create(model="gpt-4o", input="hello", store=False).output_text

    def stream(self) -> str:
        with self.client.responses.stream(model="gpt-4o", input="hello", store=False) as events:
            return "".join(event.delta for event in events if event.type == "response.output_text.delta")


class Anthropic(App):
    package, kind = anthropic, "Anthropic"

    def __init__(self, url: str, **more):
        super().__init__(url.removesuffix("/v1"), **more)

    def ask(self) -> str:
        return self.client.messages.create(**ASKED, max_tokens=100).content[0].text

    def stream(self) -> str:
        with self.client.messages.stream(**ASKED, max_tokens=100) as events:
            return "".join(events.text_stream)


APPS = (OpenAI, Responses, Anthropic)


def each(ways=("ask", "stream")) -> list[tuple[type[App], str]]:
    """Each SDK, not streamed and streamed."""
    return [(app, way) for app in APPS for way in ways]


class Retries(unittest.TestCase):
    def providers(self, *replies_of: list) -> list[Provider]:
        """Providers that speak Chat, each with its replies."""
        return [self.enterContext(Provider(*replies)) for replies in replies_of]

    def sidecar(self, *providers: Provider, route: str = ""):
        """A sidecar that asks these, in order."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        named = {f"p{at}": provider for at, provider in enumerate(providers)}
        return self.enterContext(scripted.sidecar(folder, named, route))

    def test_what_was_tried_everywhere_is_not_repeated(self):
        for app, way in each():
            with self.subTest(f"{app.__name__}, {way}"):
                for status in (500, 529, 409, 401):
                    providers = self.providers([refuses(status)], [refuses(status)])
                    asking = app(self.sidecar(*providers).url)

                    with self.assertRaises(asking.package.InternalServerError) as raised:
                        getattr(asking, way)()

                    self.assertEqual(raised.exception.response.status_code, 502)
                    self.assertEqual(raised.exception.response.headers["x-should-retry"], "false")
                    self.assertEqual([len(provider.calls) for provider in providers], [1, 1], status)
                    self.assertEqual(asking.counts(), ["0"], status)

    def test_what_is_the_callers_fault_is_not_repeated(self):
        for app, way in each():
            with self.subTest(f"{app.__name__}, {way}"):
                first, second = self.providers([refuses(400)], [says("never")])
                asking = app(self.sidecar(first, second).url)

                with self.assertRaises(asking.package.BadRequestError):
                    getattr(asking, way)()

                self.assertEqual((len(first.calls), len(second.calls), asking.counts()), (1, 0, ["0"]))

    def test_what_took_all_of_its_time_is_not_repeated(self):
        for app, way in each(("ask",)):
            with self.subTest(f"{app.__name__}, {way}"):
                (silent,) = self.providers([hangs()])
                asking = app(self.sidecar(silent, route="timeouts: {totalSeconds: 1}").url)

                with self.assertRaises(asking.package.InternalServerError) as raised:
                    getattr(asking, way)()

                self.assertEqual(raised.exception.response.status_code, 504)
                self.assertEqual((len(silent.calls), asking.counts()), (1, ["0"]))

    def test_a_failover_is_none_of_the_apps_business(self):
        for app, way in each():
            with self.subTest(f"{app.__name__}, {way}"):
                answer = says("hello there") if way == "ask" else streams("hello ", "there")
                ill, well = self.providers([refuses(503)], [answer])
                asking = app(self.sidecar(ill, well).url)

                self.assertEqual(getattr(asking, way)(), "hello there")

                self.assertEqual((len(ill.calls), len(well.calls), asking.counts()), (1, 1, ["0"]))

    def test_a_limit_is_waited_for_and_then_the_call_succeeds(self):
        for app, way in each():
            with self.subTest(f"{app.__name__}, {way}"):
                answer = says("hello there") if way == "ask" else streams("hello ", "there")
                (limited,) = self.providers([refuses(429, retry_after="1"), answer])
                asking = app(self.sidecar(limited).url)

                self.assertEqual(getattr(asking, way)(), "hello there")

                self.assertEqual(asking.counts(), ["0", "1"])
                first, second = limited.calls
                self.assertGreaterEqual(second.at - first.at, 0.95)
                told = {name for call in limited.calls for name in call.headers}
                self.assertEqual([name for name in told if name.startswith("x-stainless")], [])

    def test_a_limit_that_lasts_is_told_after_two_repetitions(self):
        for app, way in each(("ask",)):
            with self.subTest(f"{app.__name__}, {way}"):
                (limited,) = self.providers([refuses(429, retry_after_ms="10")])
                sidecar = self.sidecar(limited)
                asking = app(sidecar.url)

                with self.assertRaises(asking.package.RateLimitError) as raised:
                    getattr(asking, way)()

                self.assertEqual(raised.exception.response.headers["retry-after"], "1")
                self.assertEqual((len(limited.calls), asking.counts()), (3, ["0", "1", "2"]))
                self.ends(sidecar, "lotse_sdk_retries_total", 2)

    def test_what_is_not_configured_yet_is_repeated(self):
        waiting = self.enterContext(Waiting())
        app = OpenAI(waiting.url, max_retries=1)

        def ends_when_it_is_repeated(_):
            if len(app.sent) == 2:
                waiting.process.kill()

        app.hooks.append(ends_when_it_is_repeated)
        with self.assertRaises(openai.APIConnectionError):
            app.ask()

        self.assertEqual(app.counts(), ["0", "1"])

    def test_an_app_that_waits_no_longer_is_worked_for_no_longer(self):
        for app, way in each():
            with self.subTest(f"{app.__name__}, {way}"):
                (silent,) = self.providers([hangs()])
                sidecar = self.sidecar(silent)
                asking = app(sidecar.url, timeout=0.5, max_retries=1)

                with self.assertRaises(asking.package.APITimeoutError):
                    getattr(asking, way)()

                self.assertEqual((len(silent.calls), asking.counts()), (2, ["0", "1"]))
                for call in silent.calls:
                    self.assertTrue(call.left.wait(AT_ONCE), "the provider's call is closed")
                self.ends(sidecar, "lotse_active_calls", 0)

    def test_a_stream_that_an_app_waits_for_no_longer_is_closed_and_not_repeated(self):
        for app, way in each(("stream",)):
            with self.subTest(f"{app.__name__}, {way}"):
                (silent,) = self.providers([streams("hello ", "there", silence=1)])
                asking = app(self.sidecar(silent).url, timeout=0.5)

                with self.assertRaises((asking.package.APITimeoutError, httpx2.ReadTimeout)):
                    getattr(asking, way)()

                self.assertEqual((len(silent.calls), asking.counts()), (1, ["0"]))
                self.assertTrue(silent.calls[0].left.wait(AT_ONCE), "the provider's call is closed")

    def test_a_limit_longer_than_anybody_waits_for_is_told_at_once(self):
        for app, way in each():
            with self.subTest(f"{app.__name__}, {way}"):
                (limited,) = self.providers([refuses(429, retry_after="3600")])
                asking = app(self.sidecar(limited).url)

                # Anthropic's SDK sleeps for as long as it is told to, be it weeks.
                with mock.patch("time.sleep") as naps, self.assertRaises(asking.package.RateLimitError):
                    getattr(asking, way)()

                self.assertEqual((naps.call_count, len(limited.calls), asking.counts()), (0, 1, ["0"]))

    def ends(self, sidecar: Program, metric: str, value: float):
        """Waits until a metric is this."""
        until = time.monotonic() + 5
        while sidecar.metric(metric) != value:
            self.assertLess(time.monotonic(), until, metric)
