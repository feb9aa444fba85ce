"""The panel: a console of prompts on the screen, in a process of its own that speaks OSC with the engine.

Only this package imports PyQt6, which is under the GPL; nothing here imports torch.
"""
