"""RTFS: the plan language, from text to canonical bytecode to a machine that asks for every effect."""
