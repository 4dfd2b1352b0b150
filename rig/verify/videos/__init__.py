"""The same judgement of plain video files, from the sync LEDs in their pictures."""
