"""Runs, the I/O around the rules.

``handling`` serves commands; ``driver`` drives a run by its ``log``, through ``planning``, ``executing``, ``calling``.
"""
