"""Training (ch. 4): the Lightning side.

- data: `Data`, from a source to encoded tables
- table: a table's rows read, checked, split, fitted and encoded, in memory or on disk
- batches: slices of a permutation of a table
- task: `Task`, the LightningModule
- checkpoints: best and last, whole or not there
- tensorboard: curves beside their baseline
- learned: the vectors of embeddings beside their words
- progress: a bar on a terminal, elsewhere a line an epoch
- pruning: trials of a study that are worse than others end early
- overfitting: can 32 rows be learned by heart?
"""
