"""Samples in and out: sound card, files, pipes, resampling, meters; numpy only, no torch."""
