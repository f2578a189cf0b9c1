"""What tests of apps and frameworks share: fakes of providers, and a sidecar in front of them."""

import json
import tempfile
import unittest
from pathlib import Path

from tests.fakes.server import Fakes
from tests.fakes.vendors import VENDORS

from .matrix.targets import TARGETS, manifests
from .sidecar import Sidecar


class Stage(unittest.TestCase):
    """One sidecar for all tests of a class; after each test nothing may have broken a provider's rules."""

    targets: tuple[str, ...] = ()
    drops = False

    @classmethod
    def setUpClass(cls):
        chosen = [target for target in TARGETS if target.name in cls.targets]
        cls.fakes = cls.enterClassContext(Fakes(VENDORS, foreign=("not-needed",)))
        files = manifests(cls.fakes.url, chosen, "Drop" if cls.drops else "Refuse")
        cls.sidecar = cls.enterClassContext(
            Sidecar(Path(cls.enterClassContext(tempfile.TemporaryDirectory())), "support", files)
        )
        cls.root = cls.sidecar.url.removesuffix("/v1")

    def tearDown(self):
        broken = self.fakes.drain("violations")
        self.assertEqual(broken, [], json.dumps(broken, indent=1))
