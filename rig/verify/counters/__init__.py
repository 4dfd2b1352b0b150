"""Counters: pulses sent against frames exposed against frames stored."""
