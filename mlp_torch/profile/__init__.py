"""The data report: what a table holds and what is suspicious about it, in the terminal and as one HTML page.

- source: how a file is to be read
- shapes: which cells hold several values
- facts: what a field holds
- finding: one suspicious thing, and what to do about it
- content: fields that hold too little, or something else in each row
- numbers: piles far from all others, outliers, invalid cells
- chains: which steps bring a number nearest to normal
- words: look-alikes, text that is no category
- stands_for: text that is JSON, or names image files
- forms: numbers and times in spellings that the schema does not read
- leaks: fields that give the target away
- key: the field that names a row, or nearly does
- copies: rows that are there twice, fields that say the same
- suspicions: all findings on fields
- described: one field, with what is counted over all rows
- report: of a whole table
- table: a report in the terminal
- plots: distributions as pictures
- before_after: what a run's columns make of numbers, as figures
- page: a report as one HTML file
"""
