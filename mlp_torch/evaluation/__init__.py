"""Labelled rows against a model that is shipped, by the graph that is served: what `mlp_torch evaluate` does; and
finished runs against each other: what `mlp_torch compare` does.

Members:
    breakdown: metrics by slice of a field, the worst first.
    evaluation: a model's and its constant's metrics on a file.
    paired: two runs on the rows that both have judged, with bootstrap intervals.
    runs: finished runs side by side: configuration, rows, figures.
    found: what was found, as text and as plain values.
    worst: the rows that the model is most wrong about.
"""
