"""Fakes of the providers' APIs, on loopback and with Python's standard library alone.

Each checks method, path, query, headers and body as the real one would, answers from one small deterministic model
(`model.py`), and records what broke the provider's rules, so that a test can fail on it. The sidecar's matrix
(`tests/sdk/matrix`) runs against them; `python3 -m tests.fakes.selftest` proves them with the providers' own SDKs.
"""
