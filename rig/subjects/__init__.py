"""Who took part, in which order of clips, and who no longer does: pseudonyms only."""
