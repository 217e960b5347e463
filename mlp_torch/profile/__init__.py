"""The data report: what a table holds and what is suspicious about it, in the terminal and as one HTML page.

- facts: what its fields hold
- leaks: fields that give the target away
"""
