"""Live, text-prompted sound separation: type what you want to hear, and hear it at once."""

__version__ = "0.1.0"
