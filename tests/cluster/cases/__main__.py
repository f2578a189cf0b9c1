"""Runs the cluster's cases and ends with `N passed, N failed, N skipped`: python -m tests.cluster.cases [install …]

Needs KUBECONFIG, and on the PATH kubectl, helm (3) and helm4; `tests/cluster/run` gives all of it."""

import importlib
import os
import sys
import unittest

from . import harness

#: In this order: what destroys comes last.
ALL = ["install", "inject", "policy", "status", "keys", "routing", "faults"]

if "KUBECONFIG" not in os.environ:
    sys.exit("error: KUBECONFIG must name a cluster; tests/cluster/run makes one")
suite = unittest.TestSuite()
for name in sys.argv[1:] or ALL:
    module = importlib.import_module(f"tests.cluster.cases.test_{name}")
    suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(module))
try:
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
finally:
    harness.clean_up()
failed = len(result.failures) + len(result.errors)
skipped = len(result.skipped)
print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
sys.exit(0 if failed == 0 and result.testsRun > 0 else 1)
