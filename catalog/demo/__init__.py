"""Believable data for development: sixty pipelines of a shop, with ninety days of what happened to them.

Deterministic but for the clock: the same seed, told relative to now.
"""
