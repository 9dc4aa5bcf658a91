"""Training loops: pre-training of an encoder, training of classifiers."""
