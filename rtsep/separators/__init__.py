"""Separators as plugins: the protocol, the door they come in by, and those that ship with rtsep."""
