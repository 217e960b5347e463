"""Raw rows to Inputs: everything a string or a bad value can do ends here.

- `reads`: what ingestion must make of a raw field, and the tensors that come out.
- `source`: CSV, Parquet, SQL, pandas, Arrow or records -> an Arrow table with row or line numbers.
- `block`: what every source gives: some rows, unchecked, and where each of them lies.
- `csv`: CSV files, whole or in blocks.
- `csv_text`: their text in pieces of whole rows, with the line or byte of what is wrong.
- `arrow_file`: tables on disk in Arrow's own format, for what is between two passes.
- `parquet`: Parquet files and folders of them, whole or in blocks.
- `parquet_files`: the files that a folder means, and what its subfolders say of their rows.
- `agreement`: one type a column for files that were written apart.
- `checksums`: the file SHA256SUMS beside the data.
- `sql`: the rows of a query.
- `sqlite`: a query on a file of SQLite, cell by cell.
- `adbc`: a query by a driver that speaks Arrow.
- `fields`: the policy of one raw field: range, invalid and missing values.
- `schema`: all fields of a model, saved with it as `schema.json`; the one validator's face.
- `checks`: the one validator: every rule, every problem, every count.
- `inspection`: its verdict on a source's blocks, as if they were one table.
- `tally`: what it found so far in a block.
- `cells`: one Arrow column read as numbers, strings or times.
- `layouts`: the ways in which Arrow lays out cells, as the one that is judged.
- `notice`: what is legal but suspicious, in sentences.
- `times`: the one ISO form of a time, parsed on bytes.
- `inputs`: rows -> Arrow, checked Arrow -> tensors, row identity.
- `plain`: records whose cells are as they should be, straight to tensors.
- `scripted`: the same ingestion in TorchScript, inside `model.pt`.
- `fingerprint`: 64-bit fingerprints of strings, buckets and crosses.
- `farmhash`: the hash itself, over bytes.
"""
