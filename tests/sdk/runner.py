"""Runs tests of the named modules and ends with `N passed, N failed, N skipped`."""

import importlib
import os
import sys
import unittest

# What SDKs would read of the machine: credentials, base URLs, organisations, proxies.
FOREIGN = ("OPENAI_", "ANTHROPIC_", "AWS_", "AZURE_", "GOOGLE_", "GEMINI_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def forget_the_machine() -> None:
    """Takes out of the environment what would make an SDK behave differently on another machine."""
    for name in [name for name in os.environ if name.upper().startswith(FOREIGN)]:
        del os.environ[name]


def run(modules: list[str]) -> int:
    """The exit code: 0 when something ran and nothing failed."""
    forget_the_machine()
    suite = unittest.TestSuite()
    for name in modules:
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(name)))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    # A test may fail several times, once for each of its cases.
    failed = len({getattr(test, "test_case", test).id() for test, _ in result.failures + result.errors})
    skipped = len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and result.testsRun > 0 else 1
