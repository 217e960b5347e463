"""From someone's own table to an experiment: each field is looked at, decided on, and written with the reason.

- target: what is predicted
- columns: what each field becomes
- split: which rows are for what
- plan: the whole, with the sizes of training
- text: as an experiment's YAML and as the table that is printed
- yaml: a writer of YAML with comments
"""
