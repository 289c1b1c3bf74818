"""A link of bytes to a program that answers requests: frames, ways to carry them, one request at a time."""
