"""Serving (ch. 5): one graph, a library call, a server.

- export: `ServingFunction`, from raw values to predictions as one graph, and the folder it is shipped in
- probes: the rows on which graph and modules must agree
- predictor: `Predictor`, the library call
- payload: a request's JSON, strictly read
- server: the REST service
- batch: tables of any size, from file to file, restartable
- scorer: one block of a batch
- workers: blocks spread over processes
- keys: which keys are there more than once, in bounded memory
- pieces: what is done of an unfinished output
"""
