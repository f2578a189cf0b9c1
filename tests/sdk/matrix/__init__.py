"""The official SDKs through a sidecar against a fake of every provider, and what came of it as one matrix.

`targets.py` says against whom, `scenarios.json` what is tried; `drive.py` and `drive.mjs` do it with the SDKs of Python
and of Node and say what they saw; `judge.py` compares; `table.py` writes the matrix into docs/providers.md.
"""
