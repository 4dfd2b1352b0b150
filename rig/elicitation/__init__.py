"""What happens to a participant, as pure data: protocol and seed in, steps out; no clock, no device."""
