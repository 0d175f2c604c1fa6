"""Bytecode: what a compiled program is, as canonical bytes and as checked parts."""
