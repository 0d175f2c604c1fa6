"""Agents of the configured modules, and the threads in which they run."""
