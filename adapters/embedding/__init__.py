"""Texts to points: MiniLM on this machine, any server that speaks OpenAI's interface, and words alone."""
