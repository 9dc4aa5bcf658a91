"""How a pre-trained encoder is judged: fine-tuned or frozen, over the folds, alone and as an ensemble."""
