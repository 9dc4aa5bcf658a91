"""Evaluations of a pre-trained encoder, over the folds, by single classifiers and their ensemble."""
