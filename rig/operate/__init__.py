"""The operator's terminal: follows a recording from a process of its own, and says what the operator wants."""
