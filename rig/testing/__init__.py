"""Contract suites that a new camera or trigger box passes to prove itself."""
