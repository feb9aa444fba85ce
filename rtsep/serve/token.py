"""The token that a server asks for and a client brings."""

from __future__ import annotations

import os

from rtsep.errors import ConfigError

TOKEN = "RTSEP_TOKEN"
"""Environment variable: what stands in arguments can be read by everybody on the machine."""

BRING_TOKEN = f"bring the token: Authorization: Bearer ... (rtsep run: {TOKEN})"
"""Said to a client without it."""


def server_token() -> str | None:
    """The token of the environment, where there is one.

    Raises:
        ConfigError: it could not stand in a header.
    """
    token = os.environ.get(TOKEN)
    if not token:
        return None
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise ConfigError(f"{TOKEN} must be printable ASCII without spaces")
    return token
