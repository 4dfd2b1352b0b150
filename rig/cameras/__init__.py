"""Cameras: one contract, and a file for each make that obeys it."""
