"""Film clips: what they are, where they lie, and their pictures."""
