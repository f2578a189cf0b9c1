"""The matrix's own parts: scenarios that can be told apart, verdicts, and the page."""

import unittest

from .matrix import scenarios, table
from .matrix.judge import judge
from .matrix.targets import TARGETS, manifests

EXPECTED = {"api": "chat", "name": "x", "expect": {"text": "hi", "stop": {"any": ["a", "b"]}}}


class Judge(unittest.TestCase):
    def test_what_was_expected_is_a_yes(self):
        self.assertEqual(judge(EXPECTED, {"text": "hi", "stop": "b"}, [])[0], "yes")
        self.assertEqual(judge({**EXPECTED, "expect": {"json": {"a": 1}}}, {"text": '{"a":1}'}, [])[0], "yes")

    def test_a_refusal_by_name_is_a_no(self):
        body = {"error": {"code": "unsupported_field", "message": "x cannot honour `seed`, `n`; leave it out"}}
        error = {"class": "E", "status": 400, "message": body["error"]["message"], "body": body, "retryAfter": None}

        self.assertEqual(judge(EXPECTED, {"error": error}, [])[0], "no: seed, n")
        error = {**error, "body": {"code": "no_eligible_provider"}}
        self.assertEqual(judge(EXPECTED, {"error": error}, [])[0], "no")

    def test_everything_else_has_failed(self):
        error = {"class": "E", "status": 502, "message": "", "body": None, "retryAfter": None}

        self.assertEqual(judge(EXPECTED, {"text": "hi", "stop": "c"}, [])[0], "FAILED")
        self.assertEqual(judge(EXPECTED, {"error": error}, [])[0], "FAILED")
        self.assertEqual(judge(EXPECTED, {"text": "hi", "stop": "b"}, ["seed is ignored in silence"])[0], "FAILED")
        self.assertEqual(judge({**EXPECTED, "does": "error"}, {"text": "hi"}, [])[0], "FAILED")


class Table(unittest.TestCase):
    def test_what_sdks_differ_in_is_told(self):
        self.assertEqual(table.merged(["yes", "yes"]), "yes")
        self.assertEqual(table.merged(["yes", "no: n"]), "no: n (not always)")
        self.assertEqual(table.merged(["no: n", "FAILED"]), "FAILED")

    def test_a_row_a_target_and_a_column_a_scenario(self):
        text = table.markdown(["a"], {("a", "chat", "answer"): "yes", ("a", "images", "images"): "no"})

        self.assertIn("### Chat Completions\n\n| | answer |\n|---|---|\n| a | yes |", text)
        self.assertIn("### Further endpoints\n\n| | images |\n|---|---|\n| a | no |", text)


class Inputs(unittest.TestCase):
    def test_scenarios_and_targets_have_names_of_their_own(self):
        names = [(scenario["api"], scenario["name"]) for scenario in scenarios.read()]
        targets = [target.name for target in TARGETS]

        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(len(targets), len(set(targets)))
        self.assertEqual(
            set(manifests("http://127.0.0.1:1", TARGETS)), {f"{name}.yaml" for name in [*targets, "common"]}
        )
