"""Backbones: the vectors of all columns, side by side, to one hidden vector.

- linear: `Linear`, no hidden layer
- mlp: `MLP`, the multilayer perceptron
- resnet: `ResNet`, blocks whose output is added to their input
- wide_and_deep: `WideAndDeep`, a linear model of named columns beside an MLP of the others
- dcn: `DCNv2`, learned products of features, before or beside an MLP
- ft_transformer: `FTTransformer`, columns as tokens that attend to each other
- tabm: `TabM`, k networks in one that share almost all weights
"""
