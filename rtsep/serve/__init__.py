"""Separation on codes: the format, sessions, the server and its edge."""
