"""Runs the named tests and ends with `N passed, N failed, N skipped`: python -m tests.sdk openai readme"""

import importlib
import sys
import unittest

suite = unittest.TestSuite()
for name in sys.argv[1:]:
    module = importlib.import_module(f"tests.sdk.test_{name}")
    suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(module))
result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
failed = len(result.failures) + len(result.errors)
skipped = len(result.skipped)
print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
sys.exit(0 if failed == 0 and result.testsRun > 0 else 1)
