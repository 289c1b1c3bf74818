"""Bounds of every integer of a network for any input, proved by running its step functions on intervals."""
