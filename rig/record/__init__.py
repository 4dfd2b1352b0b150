"""Recording: a pure core that is stepped by events, and the threads that feed it."""
