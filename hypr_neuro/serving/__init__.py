"""The server that lends a device of this machine to clients elsewhere, one at a time, each sample exactly once."""
