"""What a run recorded, float and integer alike, and two recordings laid beside each other."""
