"""Answers that are given again: looked up in three tiers, found once for all who ask, published, withdrawn."""
