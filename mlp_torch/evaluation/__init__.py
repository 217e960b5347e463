"""Labelled rows against a model that is shipped, by the graph that is served: what `mlp_torch evaluate` does.

Members:
    breakdown: metrics by slice of a field, the worst first.
    evaluation: a model's and its constant's metrics on a file.
    found: what was found, as text and as plain values.
    worst: the rows that the model is most wrong about.
"""
