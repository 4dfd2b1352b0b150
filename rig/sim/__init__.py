"""The simulated world: wires, clocks, cameras, screen and faults, and the truth of what was injected."""
