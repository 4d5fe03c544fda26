"""The loop: predict, score, learn; data, scoring, training, pretraining, progress."""
