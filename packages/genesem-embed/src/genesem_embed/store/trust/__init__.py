"""Checking: hashes and promises, equal keys with other bytes, signatures, and encoding again."""
