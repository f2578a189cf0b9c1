"""Runs the named tests and ends with `N passed, N failed, N skipped`: python -m tests.sdk openai readme"""

import sys

from .runner import run

sys.exit(run([f"tests.sdk.test_{name}" for name in sys.argv[1:]]))
