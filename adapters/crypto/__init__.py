"""Cryptography with the `cryptography` package."""
