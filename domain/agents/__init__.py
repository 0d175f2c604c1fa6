"""Agents written in Python: what one is, what it may await, and how it is executed against a journal."""
