"""Apps that were written for OpenRouter: they change their base URL, and keep the fields by which they choose."""

import tempfile
import unittest

import anthropic
import openai
from openrouter import OpenRouter

from . import openrouter_world, scripted
from .scripted import Provider, refuses, says, streams

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
REFERER = {"HTTP-Referer": "https://app.example.org", "X-Title": "An app"}


class World(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.sidecar = cls.enterClassContext(openrouter_world.sidecar(folder))
        cls.client = openai.OpenAI(base_url=cls.sidecar.url, api_key="not-needed", default_headers=REFERER)
        cls.anthropic = anthropic.Anthropic(base_url=cls.sidecar.url.removesuffix("/v1"), api_key="not-needed")

    def ask(self, provider: dict | None = None, model: str = "gpt-4o", **fields) -> str:
        """Who answers, which what is said must agree with."""
        body = fields | ({} if provider is None else {"provider": provider})
        answer = self.client.chat.completions.create(**ASKED | {"model": model}, extra_body=body)
        name = answer.model_extra["provider"].removeprefix("lotse-system/")
        self.assertEqual(answer.choices[0].message.content, f"hello from {name}")
        self.assertGreater(answer.usage.model_extra["cost"], 0)
        return name

    def asks(self, *args, **fields) -> set[str]:
        """Who answers, of several times."""
        return {self.ask(*args, **fields) for _ in range(5)}

    def stream(self, provider: dict, **fields) -> tuple[str, list]:
        """Who answers a stream, and its chunks."""
        body = {"provider": provider, **fields}
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(self.client.chat.completions.create(**ASKED, **options, extra_body=body))
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        return text.removeprefix("hello from "), chunks

    def refused(
        self,
        kind: type[openai.APIStatusError],
        provider: dict | None = None,
        model: str = "gpt-4o",
        **fields,
    ) -> dict:
        """The error that such a call gets."""
        with self.assertRaises(kind) as raised:
            self.ask(provider, model, **fields)
        self.assertEqual(raised.exception.response.headers["x-should-retry"], "false")
        return raised.exception.response.json()["error"]


class Preferences(World):
    def test_without_any_the_routes_own_order_holds(self):
        self.assertEqual(self.asks(), {"paris"})
        self.assertEqual(self.asks({}), {"paris"})
        nothing = dict.fromkeys(("order", "only", "ignore", "allow_fallbacks", "sort", "max_price", "zdr"))
        self.assertEqual(self.asks(nothing), {"paris"})

    def test_only_is_a_hard_list_by_name_or_by_vendor(self):
        for word in ("frankfurt", "lotse-system/frankfurt", "together", "Together", "FRANKFURT"):
            with self.subTest(word):
                self.assertEqual(self.asks({"only": [word]}), {"frankfurt"})
        # Whoever is left is ill, and nobody stands in for them.
        error = self.refused(openai.InternalServerError, {"only": ["ill"], "allow_fallbacks": True})
        self.assertEqual(error["code"], "all_providers_failed")
        self.assertEqual([attempt["provider"] for attempt in error["metadata"]["attempts"]], ["lotse-system/ill"])

    def test_ignore_leaves_out(self):
        self.assertEqual(self.asks({"ignore": ["paris"]}), {"frankfurt"})
        self.assertEqual(self.asks({"ignore": ["mistral", "together"]}), {"virginia"})

    def test_order_comes_first_and_is_soft_until_it_is_closed(self):
        self.assertEqual(self.asks({"order": ["virginia", "frankfurt"]}), {"virginia"})
        self.assertEqual(self.asks({"order": ["ill"]}), {"paris"})
        self.assertEqual(self.asks({"order": ["ill", "virginia"], "allow_fallbacks": False}), {"virginia"})
        error = self.refused(openai.InternalServerError, {"order": ["ill"], "allow_fallbacks": False})
        self.assertEqual(error["code"], "all_providers_failed")

    def test_without_fallbacks_only_the_first_is_asked(self):
        self.assertEqual(self.asks({"allow_fallbacks": False}), {"paris"})
        error = self.refused(openai.InternalServerError, {"allow_fallbacks": False, "only": ["ill", "paris"]}, "broken")
        self.assertEqual([attempt["provider"] for attempt in error["metadata"]["attempts"]], ["lotse-system/ill"])

    def test_sorting_by_price_asks_the_cheapest_that_is_well(self):
        for sort in ("price", {"by": "price"}, {"by": "price", "partition": "none"}):
            with self.subTest(sort):
                self.assertEqual(self.asks({"sort": sort, "ignore": ["ill"]}), {"virginia"})
        self.assertEqual(self.asks({"ignore": ["ill"]}, model="gpt-4o:floor"), {"virginia"})
        self.assertEqual(self.asks({"ignore": ["ill"]}, model="openai/gpt-4o:floor"), {"virginia"})
        self.assertEqual(self.asks(model="gpt-4o:floor"), {"virginia"})

    def test_sorting_by_speed_is_taken(self):
        for sort in ("throughput", "latency"):
            self.ask({"sort": sort, "ignore": ["ill"]})
        self.ask(model="gpt-4o:nitro")
        self.ask({"preferred_min_throughput": {"p90": 1}, "preferred_max_latency": 60})

    def test_the_highest_price_is_hard(self):
        for most in ({"prompt": 1, "completion": 3}, {"prompt": "1", "completion": "3.0"}, {"prompt": 0.9}):
            with self.subTest(most):
                self.assertEqual(self.asks({"max_price": most}), {"frankfurt"})
        self.assertEqual(self.asks({"max_price": {"completion": 1}, "ignore": ["ill"]}), {"virginia"})

    def test_what_is_said_of_data_only_tightens(self):
        for provider in ({"zdr": True}, {"data_collection": "deny"}, {"max_retention_days": 0}):
            with self.subTest(provider):
                self.assertEqual(self.asks(provider | {"order": ["virginia"]}), {"paris"})
        self.assertEqual(self.asks({"data_residency": "de"}), {"frankfurt"})
        self.assertEqual(self.asks(model="gpt-4o@de"), {"frankfurt"})

    def test_the_next_model_is_asked_when_the_first_can_not_answer(self):
        self.assertEqual(self.asks(model="broken", models=["gpt-4o"]), {"paris"})
        self.assertEqual(self.asks({"only": ["frankfurt", "ill"]}, model="broken", models=["gpt-4o"]), {"frankfurt"})
        self.assertEqual(self.asks(model="broken", models=["broken", "gpt-4o:floor"]), {"virginia"})
        error = self.refused(openai.InternalServerError, model="broken", models=["broken"])
        self.assertEqual(error["code"], "all_providers_failed")

    def test_a_stream_is_chosen_for_in_the_same_way(self):
        for provider, who in (
            ({"only": ["frankfurt"]}, "frankfurt"),
            ({"order": ["ill", "virginia"], "allow_fallbacks": False}, "virginia"),
            ({"max_price": {"prompt": 1}, "ignore": ["ill", "openai"]}, "frankfurt"),
        ):
            with self.subTest(provider):
                answered, chunks = self.stream(provider)
                self.assertEqual(answered, who)
                self.assertGreater(chunks[-1].usage.model_extra["cost"], 0)
                self.assertEqual(chunks[-1].model_extra["provider"], f"lotse-system/{who}")
        self.assertEqual(self.stream({}, models=["broken"])[0], "paris")

    def test_responses_and_messages_choose_in_the_same_way(self):
        body = {"provider": {"only": ["frankfurt"]}}
        answer = self.client.responses.create(model="gpt-4o", input="hello", store=False, extra_body=body)
        self.assertEqual(answer.output_text, "hello from frankfurt")
        self.assertEqual(answer.model_extra["provider"], "lotse-system/frankfurt")
        asked = ASKED | {"max_tokens": 100}
        message = self.anthropic.messages.create(**asked, extra_body=body)
        self.assertEqual(message.content[0].text, "hello from frankfurt")
        self.assertEqual(message.model_extra["provider"], "lotse-system/frankfurt")
        with self.assertRaises(anthropic.BadRequestError) as raised:
            self.anthropic.messages.create(**asked, extra_body={"provider": {"only": ["nobody-at-all"]}})
        self.assertIn("provider.only[0]", raised.exception.message)
        message = self.anthropic.messages.create(**asked | {"model": "broken"}, extra_body={"fallbacks": ["gpt-4o"]})
        self.assertEqual(message.content[0].text, "hello from paris")

    def test_a_route_that_ignores_them_says_so(self):
        body = {"provider": {"only": ["virginia"]}, "models": ["gpt-4o"]}
        asking = self.client.chat.completions.with_raw_response
        answer = asking.create(**ASKED | {"model": "stubborn"}, extra_body=body)
        self.assertEqual(answer.parse().choices[0].message.content, "hello from paris")
        dropped = answer.headers["x-lotse-dropped"].split(", ")
        self.assertLessEqual({"provider", "models"}, set(dropped))


class BadInput(World):
    def test_what_can_not_be_kept_to_is_refused_with_the_name_of_its_field(self):
        many = [f"provider-{at}" for at in range(10_000)]
        for field, provider in (
            ("provider", "frankfurt"),
            ("provider", []),
            ("provider.only", "frankfurt"),
            ("provider.only", []),
            ("provider.only[1]", {"only": ["frankfurt", "nobody-at-all"]}),
            ("provider.only[0]", {"only": [7]}),
            ("provider.only", {"only": many}),
            ("provider.order[0]", {"order": ["nobody-at-all"]}),
            ("provider.ignore[0]", {"ignore": ["nobody-at-all"]}),
            ("provider.allow_fallbacks", {"allow_fallbacks": "no"}),
            ("provider.sort", {"sort": "cheapest"}),
            ("provider.sort.by", {"sort": {"by": "cheapest"}}),
            ("provider.max_price", {"max_price": 1}),
            ("provider.max_price.prompt", {"max_price": {"prompt": "cheap"}}),
            ("provider.max_price.prompt", {"max_price": {"prompt": -1}}),
            ("provider.max_price.completion", {"max_price": {"completion": "1e400"}}),
            ("provider.max_price.tokens", {"max_price": {"tokens": 1}}),
            ("provider.data_collection", {"data_collection": "forbid"}),
            ("provider.zdr", {"zdr": "yes"}),
            ("provider.quantizations[0]", {"quantizations": ["fp7"]}),
            ("provider.preferred_min_throughput", {"preferred_min_throughput": "fast"}),
            ("provider.preferred_max_latency.p42", {"preferred_max_latency": {"p42": 1}}),
            ("provider.onyl", {"onyl": ["frankfurt"]}),
            ("provider.", {"only": ["frankfurt"], "ignore": ["frankfurt"]}),
            ("provider.", {"only": ["together"], "order": ["mistral"], "allow_fallbacks": False}),
        ):
            if isinstance(provider, (str, list)) and field != "provider":
                provider = {field.removeprefix("provider."): provider}
            with self.subTest(f"{field}: {str(provider)[:60]}"):
                error = self.refused(openai.BadRequestError, provider)
                self.assertEqual(error["code"], "invalid_request")
                self.assertTrue(error["message"].startswith(f"`{field}"), error["message"])
        for field, fields in (
            ("models", {"models": "gpt-4o"}),
            ("models[0]", {"models": [7]}),
            ("models", {"models": ["gpt-4o"] * 10_000}),
            ("session_id", {"session_id": "x" * 257}),
        ):
            with self.subTest(field):
                error = self.refused(openai.BadRequestError, **fields)
                self.assertTrue(error["message"].startswith(f"`{field}"), error["message"])

    def test_what_is_not_known_of_any_model_is_not_read_over(self):
        for field, provider in (
            ("provider.enforce_distillable_text", {"enforce_distillable_text": True}),
            ("provider.max_price.request", {"max_price": {"request": 0.01}}),
            ("provider.max_price.image", {"max_price": {"image": "1"}}),
        ):
            with self.subTest(field):
                error = self.refused(openai.BadRequestError, provider)
                self.assertEqual(error["code"], "unsupported_field")
                self.assertTrue(error["message"].startswith(f"`{field}"), error["message"])

    def test_when_nobody_is_left_each_is_named_with_every_reason(self):
        one, two, zdr = "allowed_providers", "max_price", "data_policy_zdr"
        for provider, reasons in (
            ({"only": ["groq"]}, {"paris": [one], "virginia": [one]}),
            ({"only": ["paris"], "max_price": {"prompt": 1}}, {"paris": [two], "frankfurt": [one]}),
            ({"max_price": {"prompt": 0.01}}, {"paris": [two], "ill": [two]}),
            ({"ignore": ["mistral", "together"], "zdr": True}, {"paris": ["ignored_provider"], "ill": [zdr]}),
            ({"data_residency": "es"}, {"paris": ["data_region"], "frankfurt": ["data_region"]}),
            ({"quantizations": ["fp4"]}, {"paris": ["quantization"]}),
        ):
            with self.subTest(provider):
                error = self.refused(openai.NotFoundError, provider)
                self.assertEqual(error["code"], "no_eligible_provider")
                excluded = {entry["provider"]: entry for entry in error["metadata"]["excluded"]}
                everybody = {f"lotse-system/{name}" for name, *_ in openrouter_world.PROVIDERS}
                self.assertEqual(set(excluded), everybody)
                for name, expected in reasons.items():
                    entry = excluded[f"lotse-system/{name}"]
                    self.assertLessEqual(set(expected), set(entry["reasons"]))
                    self.assertGreater(len(entry["message"]), 10)

    def test_an_unknown_model_among_several_is_told(self):
        error = self.refused(openai.NotFoundError, model="gpt-99")
        self.assertEqual(error["code"], "model_not_found")
        error = self.refused(openai.NotFoundError, model="gpt-4o:free")
        self.assertEqual(error["code"], "model_not_found")


class OfficialSDK(unittest.TestCase):
    """OpenRouter's own package, unmodified but for its server's URL."""

    def router(self, *providers: Provider) -> OpenRouter:
        """The package on a sidecar that asks these, in order."""
        named = {f"p{at}": self.enterContext(provider) for at, provider in enumerate(providers)}
        folder = self.enterContext(tempfile.TemporaryDirectory())
        sidecar = self.enterContext(scripted.sidecar(folder, named))
        return self.enterContext(OpenRouter(api_key="not-needed", server_url=sidecar.url))

    def test_an_answer(self):
        first, second = Provider(says("one")), Provider(says("two"))
        router = self.router(first, second)
        self.assertEqual(router.chat.send(**ASKED).choices[0].message.content, "one")

        answer = router.chat.send(**ASKED, provider={"only": ["p1"], "allow_fallbacks": False})

        self.assertEqual((answer.choices[0].message.content, len(first.calls), len(second.calls)), ("two", 1, 1))
        self.assertNotIn("provider", second.calls[0].body)
        self.assertNotIn("not-needed", str(second.calls[0].headers))

    def test_a_stream(self):
        first, second = Provider(streams("on", "e")), Provider(streams("tw", "o"))
        options = {"stream": True, "stream_options": {"include_usage": True}}
        with self.router(first, second).chat.send(**ASKED, **options, provider={"order": ["p1"]}) as events:
            chunks = list(events)

        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        self.assertEqual((text, len(first.calls), len(second.calls)), ("two", 0, 1))

    def test_a_failover(self):
        ill, well = Provider(refuses(503)), Provider(says("two"))

        answer = self.router(ill, well).chat.send(**ASKED)

        self.assertEqual((answer.choices[0].message.content, len(ill.calls)), ("two", 1))
