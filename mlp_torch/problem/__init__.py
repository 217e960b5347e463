"""Problem representation (ch. 3): what is predicted, and how it is judged.

Heads:
    classification: `Binary` and `Multiclass`: one of two or of several classes.
    multilabel: `Multilabel`: any number of labels a row.
    regression: `Regression`: one number.
    gaussian: `Gaussian`: one number and how sure it is, as mean and standard deviation.
    quantiles: `Quantiles`: several quantiles of one number.
    reframing: `Reframed`: one number as a distribution over bins.

What they are made of:
    links: between what a network gives and a prediction: logarithms, bounds, rates.
    bins: a distribution over bins, and what is read from it.
    bin_targets: what a network that predicts bins is taught of a row.
    edges: where the edges of bins lie.
    piecewise: the density of bins with open ends, and its scores.
    likened: what others say of a number, as probabilities of bins.
    intervals: which hold a stated share of rows, and how they are judged.
    priors: class shares before any feature is looked at, and the checks of class labels.
    scores: proper scores of single rows, and the metrics made of them.
    pictures: figures for TensorBoard.
"""
