"""Data representation (ch. 2): how a raw value becomes a vector.

- numbers: `Scaled`, `Bucketized`
- embeddings: `Embedding`
- hashed: `Hashed`, the hashed feature
- crosses: `Crossed`, the feature cross
- calendar: `Calendar` parts of a time, `Cyclical` values
"""
