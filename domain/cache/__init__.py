"""What is reused: keys, entries, and the rules by which an answer may be given again."""
