"""An independent verdict about a session: one function a check, by line of evidence."""
