"""Data representation (ch. 2): how a raw value becomes a vector."""
