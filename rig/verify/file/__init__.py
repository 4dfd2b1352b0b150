"""The session file itself: whether it is whole, as written, and how the run ended."""
