"""Backbones: the vectors of all columns, side by side, to one hidden vector.

- mlp: `MLP`, the multilayer perceptron
"""
