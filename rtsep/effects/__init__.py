"""Effects as inserts: pedalboard's own, VST3 plugins, Audio Units, Python files; none stops the sound."""
