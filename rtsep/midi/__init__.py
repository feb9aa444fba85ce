"""MIDI: knobs, faders and keys that turn what was learnt. Knows neither samples nor tensors."""
