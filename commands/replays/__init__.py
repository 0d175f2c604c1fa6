"""Replays of recorded runs: ``reading`` loads and verifies, ``executing`` really calls the tools again."""

from commands.replays.reading import known_events, recorded, recorded_events, verify_run

__all__ = ["known_events", "recorded", "recorded_events", "verify_run"]
