"""Training (ch. 4): the Lightning side."""
