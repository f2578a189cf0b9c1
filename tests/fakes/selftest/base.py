"""What the tests share: the fakes as a server, and a check that no rule was broken."""

import json
import unittest
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.fakes.server import Fakes
from tests.fakes.vendors import VENDORS

WEATHER = {
    "type": "object",
    "required": ["city"],
    "additionalProperties": False,
    "properties": {"city": {"type": "string", "description": "where"}},
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class FakesCase(unittest.TestCase):
    """Serves the fakes; after each test nothing may have broken a rule but what the test has drained."""

    @classmethod
    def setUpClass(cls):
        cls.fakes = cls.enterClassContext(Fakes(VENDORS, foreign=("not-needed",)))

    def url(self, vendor: str, path: str = "") -> str:
        """Where a vendor listens."""
        return f"{self.fakes.url}/{vendor}{path}"

    def tearDown(self):
        self.assertEqual(self.fakes.drain("violations"), [])

    def post(self, vendor: str, path: str, body, **headers: str) -> tuple[int, dict]:
        """A raw call, and what came back."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(
            self.url(vendor, path), json.dumps(body).encode(), {"content-type": "application/json", **named}
        )
        try:
            with urlopen(request) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)

    def broken(self) -> list[str]:
        """What broke a rule so far; it is forgotten."""
        return [violation["message"] for violation in self.fakes.drain("violations")]
