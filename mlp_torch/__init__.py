"""Machine Learning design Patterns, in Torch: a table and a target become one exported graph."""
