"""Live on a sound card: what runs there, and ``rtsep.Engine``, which has it run in a process of its own.

::

    Engine ─ SessionProcess ══ pipes ══ Session ─ Desk ─ engine.Engine ─ sound card
    └ your program              └── python -m rtsep.live ──┘
"""
