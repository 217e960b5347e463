"""Transfer learning, as a run's configuration says it (ch. 4): `init_from`, `freeze`, `unfreeze`, `rates`.

- configured: what the keys may say, refused before anything is read
- definitions: whether a column, or a target, is defined as in another run
- origin: the other run's best weights and fitted columns, a copy of which a run keeps
- rehearsal: what does not fit is refused before the run before has trained
- start: how the run begins: what it took, and what learns when and how fast
"""
