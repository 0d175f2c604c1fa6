"""Long-running processes: the worker (commands and runs) and the projector (the read side)."""
