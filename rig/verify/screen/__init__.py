"""The participant's screen: film frames, flips, and the light that left it."""
