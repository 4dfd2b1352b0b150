"""Labels of expressions, by people: one table a coder, beside the runs of a session."""
