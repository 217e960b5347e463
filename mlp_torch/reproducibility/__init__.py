"""Reproducibility (ch. 6): the same rows, features and splits, for ever.

- split: which rows are for what, by time, by fingerprint, by a column
- carved: a split that lacks validation rows gets them, out of its training rows
- everywhere: a table that is the whole truth, of which every row is learned and judged
- folds: N runs of which each tests another part of the rows
- groups: rows that tell of each other, and folds of a stage's training rows, which keep them whole
- days: days of times, which splits and folds keep whole
- slices: rows by what a field holds
- intervals: how far a figure would move with other rows, by bootstrap
- transform: all columns' conversion of inputs to features, a part of the model
"""
