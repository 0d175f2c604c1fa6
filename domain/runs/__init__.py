"""Runs: one attempt at a task, as one event stream.

Read in this order: ``task`` (what is wanted), ``commands``, ``events``, ``state`` (``evolve``), ``decide`` (what people
may do), ``guard`` (what the program may do), ``controller`` (what the driver does next), ``replay``.
"""
