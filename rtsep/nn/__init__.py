"""Streaming layers whose state is a plain value: ``y, state = layer(x, state)``."""
