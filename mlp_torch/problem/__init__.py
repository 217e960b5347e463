"""Problem representation (ch. 3): what is predicted, and how it is judged.

Heads:
    classification: `Binary` and `Multiclass`: one of two or of several classes.
    ordinal: `Ordinal`: one of several classes in an order.
    neutral: `Neutral`: one of two classes, or neither.
    multilabel: `Multilabel`: any number of labels a row.
    regression: `Regression`: one number.
    gaussian: `Gaussian`: one number and how sure it is, as mean and standard deviation.
    quantiles: `Quantiles`: several quantiles of one number.
    reframing: `Reframed`: one number as a distribution over bins.

Models that are made of several:
    ensembles: `Ensemble`: whole models side by side, bagging among them.
    snapshots: `Snapshots`: what one model was at the end of each cycle of its learning rate.
    stacking: `Stacked`: a last model over what others say.
    cascade: `Cascade`: a gate, and a model for each of its classes.

Targets:
    undecided: `Band` and `Agreed`: two classes and a neutral one between them, by a rule or by raters.

What they are made of:
    links: between what a network gives and a prediction: logarithms, bounds, rates.
    bins: a distribution over bins, and what is read from it.
    bin_targets: what a network that predicts bins is taught of a row.
    edges: where the edges of bins lie.
    piecewise: the density of bins with open ends, and its scores.
    likened: what others say of a number, as probabilities of bins or quantiles.
    intervals: which hold a stated share of rows, and how they are judged.
    priors: class shares before any feature is looked at, and the checks of class labels.
    thresholds: above which probability a row is called positive: rules for named objectives.
    calibration: probabilities that come true as often as they say: temperature, isotonic regression.
    reliability: bins of equally many rows, and the calibration error over them.
    focal: losses in which easy rows count less.
    scores: proper scores of single rows, and the metrics made of them.
    rates: which share of some rows holds, as a metric.
    pictures: figures for TensorBoard, of numbers and distributions.
    classifier_pictures: those of classifiers.

How else it may be judged (ch. 7):
    perspectives: metrics of a user's choice beside the head's own (`Perspective`).
    value: what each outcome of a decision is worth (`Value`).
    largest: the largest error of all rows (`LargestError`).
    curves: figures over the threshold.

Rebalancing:
    rebalancing: `ClassWeights`: how much training rows of a class count, and whether they are weighed or drawn.
    slices: `MajoritySlices`: which members of an ensemble see which rows of the majority.
    prior_correction: what a rebalanced model says before and after its probabilities are corrected.
"""
