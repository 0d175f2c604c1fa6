"""The embedded stack: a real broker and a real database, supervised, for one machine."""
