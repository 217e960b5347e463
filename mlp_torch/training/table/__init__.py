"""A table for training: its rows read, checked, split, fitted and encoded, in memory or on disk.

- definition: what the rows of a table are to become
- inherited: what another run's columns were fitted to
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
"""
