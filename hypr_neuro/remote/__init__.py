"""What a device somewhere else and its server say to each other: messages, arrays, the client's channel."""
