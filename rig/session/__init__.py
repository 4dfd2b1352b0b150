"""A session on disk: layout, writer, reader, and the timeline that joins film, flips, pulses and frames."""
