"""Clocks: each camera's against the box's, the box's against the host's, and when exposures began."""
