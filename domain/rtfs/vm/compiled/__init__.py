"""Functions compiled for speed: verified bytecode to Python code objects. A cache of a loaded module, never state."""
