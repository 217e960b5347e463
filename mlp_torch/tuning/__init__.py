"""Hyperparameter tuning (ch. 4): a study of Optuna whose trials are runs, judged on validation rows alone.

    python train.py -m hparams_search=default experiment=quickstart    # hydra_plugins/mlp_torch_tuning.py calls it
    RUNS/NAME/study_STUDY/  study.json  study.db  trial_0/ trial_1/ …  (a run's folder each)  claims/

A trial's parameters are a function of (seed, number, the trials before), so that a study that was killed goes on as if
it had not been, and processes that share one do not draw the same. A trial belongs to the process that holds its claim,
a lock that the system lets go of when the process ends: who comes next takes up what nobody holds.

Members:
    space: what is searched, in Hydra's grammar.
    plan: what a command asks for, checked before anything is read.
    storage: where a study is kept, and whether it is the one that was begun.
    study: the next trial for this process, and what became of it.
    trial: what a trial's own process does.
    search: the study from its start, or from where it stopped, to its table.
    outcome: the table of trials, the importance of parameters, the command that comes next.
    chosen: the best trial's parameters, for an ordinary run.
"""
