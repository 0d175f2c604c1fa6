"""The only place that builds adapters. Everything else is given what it needs.

``connections`` is what every process needs, ``write_side`` what handles commands and drives runs; they are apart
because a command that only reads should not wait for the imports of a worker.
"""
