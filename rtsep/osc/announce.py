"""Announcing on the local network that rtsep can be spoken to: ``_osc._udp`` and ``_oscjson._tcp``."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING

from rtsep.control import OSC_PORT
from rtsep.errors import ConfigError, EngineError
from rtsep.osc.query import NAME
from rtsep.osc.subscribers import Sender

if TYPE_CHECKING:
    from zeroconf import ServiceInfo

OSC, OSC_QUERY = "_osc._udp.local.", "_oscjson._tcp.local."


class Announcement:
    """Lets programs find the servers by themselves, as long as it is open. Use it with ``with``.

    On 127.0.0.1 only programs of this computer can see it.

    Args:
        osc: where the OSC server listens.
        query: where the OSCQuery server listens.
        name: how it is called in their menus; on another port than the usual one, with that behind it. So
            several that start at once on a computer never ask for one name: zeroconf gave it to two of them.

    Raises:
        ConfigError: the package ``zeroconf`` is not installed.
        EngineError: the network does not let itself be used.
    """

    def __init__(self, osc: Sender, query: Sender, name: str = NAME) -> None:
        try:
            import zeroconf
        except ImportError as error:
            raise ConfigError("to be found by other programs: pip install 'rtsep[oscquery]'") from error
        host, port = osc
        called = name if port == OSC_PORT else f"{name}-{port}"
        everywhere = host in ("0.0.0.0", "::")
        try:
            interfaces = zeroconf.InterfaceChoice.All if everywhere else [host]
            self._network = zeroconf.Zeroconf(interfaces=interfaces)
        except (OSError, zeroconf.Error, RuntimeError) as error:
            raise EngineError(
                f"{name} cannot be announced on {host} ({error!r}): go on without it"
            ) from error
        seen_as = _own_address() if everywhere else host
        services = [
            _service(kind, called, seen_as, port) for kind, port in ((OSC, port), (OSC_QUERY, query[1]))
        ]
        try:
            with ThreadPoolExecutor(2) as both:  # each asks for a second whether its name is free
                list(both.map(self._register, services))
        except (OSError, zeroconf.Error, RuntimeError) as error:
            self.close()
            raise EngineError(
                f"{name} cannot be announced on {host} ({error!r}): go on without it"
            ) from error

    def close(self) -> None:
        """Say goodbye."""
        self._network.close()

    def __enter__(self) -> Announcement:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _register(self, service: ServiceInfo) -> None:
        self._network.register_service(service, allow_name_change=True)


def _service(kind: str, name: str, host: str, port: int) -> ServiceInfo:
    from zeroconf import ServiceInfo

    computer = socket.gethostname().split(".")[0] or "localhost"
    return ServiceInfo(
        kind,
        f"{name}.{kind}",
        parsed_addresses=[host],
        port=port,
        properties={"txtvers": "1"},
        server=f"{computer}.local.",
    )


def _own_address() -> str:
    """The address under which the local network knows this computer; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
