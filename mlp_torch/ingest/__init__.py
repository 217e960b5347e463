"""Raw rows to Inputs: everything a string or a bad value can do ends here.

- `reads`: what ingestion must make of a raw field, and the tensors that come out.
- `source`: CSV, Parquet, pandas, Arrow or records -> an Arrow table with row or line numbers.
- `fields`: the policy of one raw field: range, invalid and missing values.
- `schema`: all fields of a model, saved with it as `schema.json`; the one validator's face.
- `checks`: the one validator: every rule, every problem, every count.
- `cells`: one Arrow column read as numbers, strings or times.
- `notice`: what is legal but suspicious, in sentences.
- `times`: the one ISO form of a time, parsed on bytes.
- `inputs`: rows -> Arrow, checked Arrow -> tensors, row identity.
- `scripted`: the same ingestion in TorchScript, inside `model.pt`.
- `fingerprint`: 64-bit fingerprints of strings, buckets and crosses.
- `farmhash`: the hash itself, over bytes.
"""
