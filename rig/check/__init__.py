"""Preflight: what can be known to go wrong before a participant sits down."""
