"""Problem representation (ch. 3): what is predicted, and how it is judged.

Heads:
    classification: `Binary` and `Multiclass`: one of two or of several classes.
    multilabel: `Multilabel`: any number of labels a row.
    regression: `Regression`: one number.
    reframing: `Reframed`: one number as a distribution over bins.

What they are made of:
    bins: a distribution over bins, and what is read from it.
    edges: where the edges of bins lie.
    priors: class shares before any feature is looked at, and the checks of class labels.
    scores: proper scores of single rows, and the metrics made of them.
    pictures: figures for TensorBoard.

How else it may be judged (ch. 7):
    perspectives: metrics of a user's choice beside the head's own (`Perspective`).
    value: what each outcome of a decision is worth (`Value`).
    curves: figures over the threshold.
"""
