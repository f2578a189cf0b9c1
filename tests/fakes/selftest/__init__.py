"""Proves the fakes: the providers' own SDKs call them directly, and nothing breaks a rule."""
