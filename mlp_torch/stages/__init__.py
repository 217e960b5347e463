"""Stages: models that are trained before the last one, each in its own folder below the run.

Book: ch. 3, Cascade and Ensembles (stacking). What a later model learns from an earlier one must be what that says of
rows it has not seen: a stage with folds is trained once for each fold, without its rows, whose predictions it then
makes ("out of fold"), and once on all rows, which is the model that is shipped. All stages share one Transform.

    stages/STAGE/  stage.json  out_of_fold.parquet  fold_0/  fold_1/  …  whole/

A run that was stopped goes on in the fit that was not done. stage.json holds the hash of what a stage has learned, and
of the stages whose predictions chose its rows: where such a one has been trained anew, the run stops and says so.
`checkpoints/stages.json` of the run holds those that its last model has learned from.

NOTE[BOOK] the book trains a cascade's branches on rows that are routed by the gate's predictions, though the gate has
learned from the same rows; here the gate that routes a row has never seen it.

Members:
    configured: what a stage's configuration is, and what is refused before anything is read.
    rehearsal: all models before they learn: what does not fit together is refused before hours of training.
    training: the fits, one after the other, and what later ones read of them.
"""
