"""The README as people type it: its manifests compile, its commands do what they say.

A `sh` block runs as it stands. An HTML comment before it, `<!-- shows: TEXT -->`, is what its output must match."""

import os
import re
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from .sidecar import ROOT

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(?:<!-- (shows|runs): (.*?) -->\n)?```(sh|yaml)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[tuple[str, str, str]]:
    """Each block's comment, its expectation and its text."""
    found = BLOCK.findall(README)
    return [(comment, expected, text) for comment, expected, kind, text in found if kind == language]


def run(script: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=1200, **more
    )


class Readme(unittest.TestCase):
    def test_each_command_does_what_it_says(self):
        commands = blocks("sh")
        server = next(text for comment, expected, text in commands if (comment, expected) == ("runs", "quick start"))
        ready = "CURL=1; until curl -sf http://localhost:14190/readyz >/dev/null; do kill -0 $PPID; done"
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", server], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self.assertEqual(run(f"timeout 900 bash -c '{ready}'").returncode, 0, "the quick start does not start")
            for comment, expected, text in commands:
                if comment == "runs":
                    continue
                with self.subTest(text):
                    done = run(text)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    self.assertRegex(done.stdout, expected)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)

    def test_each_command_has_an_expectation(self):
        self.assertGreaterEqual(len(blocks("sh")), 6)
        self.assertEqual([text for comment, _, text in blocks("sh") if not comment], [])

    def test_the_test_command_is_the_one_that_ci_runs(self):
        (command,) = [text.strip() for comment, expected, text in blocks("sh") if expected == "tests"]
        self.assertIn(f"exec {command}", (ROOT / ".ci" / "run").read_text())

    def test_its_manifests_answer(self):
        with tempfile.TemporaryDirectory() as folder:
            for number, (_, _, text) in enumerate(blocks("yaml")):
                (Path(folder) / f"{number}.yaml").write_text(text)
            secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: mistral, namespace: lotse-system}\nstringData: {key: k}"
            (Path(folder) / "secret.yaml").write_text(secret)
            done = run(f"target/debug/lotse explain --manifests {folder} --namespace support --model gpt-4o --at 2026-12-01")

        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1 of 1 candidates may be tried", done.stdout)
