"""Data representation (ch. 2): how a raw value becomes a vector.

- numbers: `Scaled`, a chain of steps
- steps: `ZScore`, `MinMax`, `Clip`, `Winsorize`, `Identity`
- curves: `Log`, `Log1p`, `SquareRoot`, `Power`, `Sigmoid`, `Polynomial`, `Quantile`
- bucketized: `Bucketized`, by quantile, width, tree or given edges
- one_hot: `OneHot`, dummy coding too
- numerical_embeddings: `PiecewiseLinear`, `Periodic`
- numerical_layers: what those learn
- polylines: several numbers at once, each along a broken line
- statistics: what columns learn of numbers
- normality: which steps bring a number near the normal distribution
- embeddings: `Embedding`
- pretrained: `Pretrained`, where embeddings begin
- shared: `SharedEmbedding`, one table for several fields
- hashed: `Hashed`, the hashed feature
- loads: how full buckets are
- crosses: `Crossed`, the feature cross
- calendar: `Calendar` parts of a time, `Cyclical` values
- text: `Text`, `HashedText`, `TextStatistics`
- sets: `Set`, `HashedSet`, `MultiHot`
- maps: `HashedMap`, names with numbers
- vectors: `Vector`, made by another model
- images: `Image`, `ImageFeatures` of a frozen trunk
- finetuned: `FinetunedImage`, of a trunk whose last parts learn
- efficientnet: a pretrained trunk
- bags: what text and sets have in common
"""
