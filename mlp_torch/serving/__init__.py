"""Serving (ch. 5): one graph, a library call, a server.

- export: `ServingFunction`, from raw values to predictions as one graph, and the folder it is shipped in
- stacked: the Transform as it is shipped, numbers side by side
- formats: TorchScript, ONNX, torch.export: names, files, and what they need
- portable: the graph of Inputs in the other formats, compared with what was trained
- onnx_file: the ONNX of it, and ONNX Runtime
- refusal: problems in a caller's words
- wording: names of classes beside their indices
- probes: the rows on which graph and modules must agree
- folder: a model's folder as a user names it
- predictor: `Predictor`, the library call
- payload: a request's JSON, strictly read
- server: the REST service
- batch: tables of any size, from file to file, restartable
- scorer: one block of a batch
- workers: blocks spread over processes
- keys: which keys are there more than once, in bounded memory
- repeats: rows whose key an earlier row has, left out of an output
- extent: an input's files and rows, and whether they have changed
- progress: how far a batch is, as a bar or as lines
- pieces: what is done of an unfinished output
- outputs: the files that a batch writes, and how they are known again
"""
