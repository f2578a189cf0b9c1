"""Serves the fakes until its standard input ends: python3 -m tests.fakes

Prints one line of JSON: {"url": …, "vendors": {NAME: URL}, "keys": {NAME: KEY}}.
"""

import json
import sys

from .server import Fakes
from .vendors import VENDORS, key

with Fakes(VENDORS) as fakes:
    urls = {name: f"{fakes.url}/{name}" for name in VENDORS}
    print(json.dumps({"url": fakes.url, "vendors": urls, "keys": {name: key(name) for name in VENDORS}}), flush=True)
    sys.stdin.read()
