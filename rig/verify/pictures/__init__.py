"""Whether pictures are fit to be looked at: light, sharpness, flicker, frozen frames."""
