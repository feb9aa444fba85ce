"""A desk that is played from another process: what each side holds, and the pipes between them.

::

    RemoteDesk ══ pipes ══ ServedDesk ─ Desk ─ Engine
    └ OSC server,          └── where the model runs ──┘
      rtsep.Engine
"""
