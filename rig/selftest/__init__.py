"""The trigger box tested by itself: through a loop-back wire, and by which camera is exposed on which line."""
