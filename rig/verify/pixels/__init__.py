"""Pixels: the sync LEDs' code in a stream's own pictures."""
