"""The compiler: nodes to expressions whose names are resolved and types are known, and those to instructions."""
