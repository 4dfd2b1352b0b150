"""What leaves a session for other programs and for people, one file a format."""
