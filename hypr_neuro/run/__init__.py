"""The float engine: a network forward in time, block by block."""
