"""Training (ch. 4): the Lightning side.

- data: `Data`, from a source to encoded tables
- counts: what happened to the rows, in sentences
- batches: slices of a permutation of a table
- task: `Task`, the LightningModule
- checkpoints: best and last, whole or not there
- tensorboard: curves beside their baseline
- overfitting: can 32 rows be learned by heart?
"""
