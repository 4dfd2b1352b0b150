"""A recording and elicitation rig for micro-expression labs."""
