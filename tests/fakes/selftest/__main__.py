"""Runs all of it: python -m tests.fakes.selftest"""

import sys

from tests.sdk.runner import run

NAMES = ("rules", "openai", "anthropic", "google", "bedrock", "mistral")
sys.exit(run([f"tests.fakes.selftest.test_{name}" for name in NAMES]))
