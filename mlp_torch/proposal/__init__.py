"""From someone's own table to an experiment: each field is looked at, decided on, and written with the reason.

- target: what is predicted
- labels: the same of a field whose cells list several labels
- columns: what each field becomes
- several: the same of fields whose cells hold several values
- place: the same of a latitude beside a longitude
- extremes: whether numbers near the end of float64 can be trained
- entry: one column
- recipe: which numbers and how large a network for so many rows
- split: which rows are for what
- large: the rows that are looked at of a table larger than memory
- plan: the whole, with the sizes of training
- text: as an experiment's YAML and as the table that is printed
- yaml: a writer of YAML with comments
- seen: what the table held, as comments
- experiment: one that was written before
- update: what a newer table asks of it
- amend: its text with the lines for that
- edit: lines put into a YAML file that somebody wrote
"""
