"""Box, wires, cameras and light of a rig tested before a session: loop-back, lines, the LED sweep, a rehearsal."""
