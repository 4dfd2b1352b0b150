"""Pages in the browser: a session looked at frame by frame, and its expressions labelled."""
