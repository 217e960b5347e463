"""Responsible AI (ch. 7): what a model must be compared with."""
