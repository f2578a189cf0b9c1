"""Runs the matrix: python -m tests.sdk.matrix [--write] [--only TARGET,…] [--scenario WORD]

Ends with `N passed, N failed, N skipped`; a cell that is refused by name has passed. docs/providers.md must say the
same; `--write` writes it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.fakes.server import Fakes
from tests.fakes.vendors import VENDORS
from tests.sdk.node import NODE, installed
from tests.sdk.sidecar import ROOT, Sidecar

from . import scenarios, table
from .judge import FAILED, judge
from .targets import TARGETS, Target, manifests

HERE = Path(__file__).parent


def drivers() -> dict[str, list]:
    """The programs that drive the SDKs, by language."""
    # Node finds packages beside the program.
    return {"python": [sys.executable, "-m", "tests.sdk.matrix.drive"], "node": [NODE, installed(HERE / "drive.mjs")]}


def cells(targets: list[Target], word: str) -> list[dict]:
    """What is to be tried: each scenario against each target."""
    found = []
    for target in targets:
        for scenario in scenarios.read():
            fits = target.name in scenario.get("only", [target.name]) and target.name not in scenario.get("except", [])
            fits = fits and word in f"{scenario['api']} {scenario['name']}"
            if fits and (scenario.get("does") != "embed" or target.embeddings):
                found.append({"index": len(found), "target": target.name, "scenario": scenario})
    return found


def run(command: list, work: list[dict], targets: list[Target]) -> dict[int, dict]:
    """Runs one driver over all cells, against a sidecar and fakes of its own."""
    with Fakes(VENDORS, foreign=("not-needed",)) as fakes, tempfile.TemporaryDirectory() as empty:
        with Sidecar(Path(empty), "support", manifests(fakes.url, targets)) as sidecar:
            told = json.dumps({"url": sidecar.url, "fakes": fakes.url, "cells": work})
            done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=1200, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stderr[-4000:]}")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line["index"]: line for line in lines}


def judged(work: list[dict], lines: dict[str, dict[int, dict]]) -> tuple[table.Cells, list[str]]:
    """Each cell's word, and why cells failed."""
    words, remarks = {}, []
    for cell in work:
        scenario, found = cell["scenario"], []
        for language, seen in lines.items():
            line = seen[cell["index"]]
            word, why = judge(scenario, line["seen"], line["broken"])
            found.append(word)
            if word == FAILED:
                remarks.append(f"{cell['target']}: {scenario['api']} {scenario['name']} ({language}): {why}")
        words[cell["target"], scenario["api"], scenario["name"]] = table.merged(found)
    return words, remarks


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--scenario", default="")
    arguments = parser.parse_args()
    only = [name for name in arguments.only.split(",") if name]
    targets = [target for target in TARGETS if target.name in (only or [target.name])]
    work = cells(targets, arguments.scenario)
    with ProcessPoolExecutor() as pool:
        running = {language: pool.submit(run, command, work, targets) for language, command in drivers().items()}
        lines = {language: each.result() for language, each in running.items()}
    words, remarks = judged(work, lines)
    names = [target.name for target in targets]
    print(*remarks, "", table.terminal(names, words), sep="\n")
    failed = sum(word == FAILED for word in words.values())
    whole = not only and not arguments.scenario
    if whole and arguments.write:
        table.PAGE.write_text(table.page(names, words))
    if whole and (not table.PAGE.exists() or table.PAGE.read_text() != table.page(names, words)):
        print("docs/providers.md does not say what came of it; python -m tests.sdk.matrix --write writes it")
        failed += 1
    print(f"{len(words) - sum(word == FAILED for word in words.values())} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
