"""The verbs of the command line, one file each: `main(arguments) -> exit code`.

- train: an experiment, or a run that was stopped
- profile: what a table holds, as one HTML file
- init: from someone's own table to an experiment
- validate: a file, judged as training or serving would
- verify_resume: the proof that stopped runs end with the same bits
- evaluate: a model on labelled rows
- compare: finished runs side by side
- predict: a model on a table of any size
- serve: a model as a service
- neighbours: which words an embedding of a run has learned to be alike
- data: the real data sets of the examples, fetched
- sweep: several runs, one after the other, and what they have in common
- plan: what a sweep was begun with
- ranks: several processes that train one run together
- closing: what a run that ends prints
- folders: a run's folder, made and found again
- problems: what is told of data, in a verb's own options
- rows: the reader of a file, as the training rows were read
- options: arguments of a verb, with the near names of a mistyped one
"""
