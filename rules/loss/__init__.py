"""Losses and what they are fed (TL2xx)."""
