"""Training: from labelled audio to a bundle, one loop for codec, masker and both together."""
