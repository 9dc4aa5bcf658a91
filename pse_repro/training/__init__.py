"""The two loops: pre-training an autoencoder, training a classifier."""
