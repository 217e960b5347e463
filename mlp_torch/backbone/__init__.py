"""Backbones: vectors to one hidden vector."""
