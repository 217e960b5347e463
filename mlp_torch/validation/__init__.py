"""Judging a file before it is trained on or served: every problem, and what would become of its rows.

- `labels`: the labels of rows that come in blocks, and what a target that is fitted on them would refuse.
- `rehearsal`: what training would refuse beyond single cells: labels, splits and keys.
- `validation`: the verdict on all blocks of a source, for people and for machines.
"""
