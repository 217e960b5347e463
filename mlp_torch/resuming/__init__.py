"""The proof that a run which is stopped anywhere ends with the bits of one that was not: `mlp_torch verify-resume`.

- comparison: two runs, bit for bit: checkpoints, curves, files
- every_step: a short version of an experiment, gone on with from the checkpoint of each of its steps
- kills: real processes, killed at random moments and started again by the same command
"""
