"""Training (ch. 4): the Lightning side.

- data: `Data`, from a source to encoded tables
- definition: what the rows of a table are to become
- prepared: what training needs of a table, however its rows are held
- memory: a table that fits into memory
- suspicions: rows that two splits share, classes of one row
- shards: `Shards`, a table that is larger than memory
- survey: its first pass, checked and split
- spill: its checked rows on disk
- smallest: its sample, chosen by fingerprint
- encoding: its second pass, into a file a split
- mapped: a table as one file, mapped into memory
- identity: what a result depends on, as one hash
- cache: folders that are made once
- counts: what happened to the rows, in sentences
- batches: slices of a permutation of a table
- task: `Task`, the LightningModule
- checkpoints: best and last, whole or not there
- tensorboard: curves beside their baseline
- progress: a bar on a terminal, elsewhere a line an epoch
- overfitting: can 32 rows be learned by heart?
"""
