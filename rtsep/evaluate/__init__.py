"""Evaluation: fixed mixtures in, figures out."""
