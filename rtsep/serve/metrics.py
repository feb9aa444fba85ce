"""What a server tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rtsep.serve.session import Counts

_STEP_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.05, 0.1, 0.5)


class Metrics:
    """Counters of one server, in a registry of their own. One thread writes: the event loop's."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.sessions = Gauge("rtsep_sessions", "Sessions now", registry=self._registry)
        self.frames = Counter(
            "rtsep_frames", "Frames, by what became of them", ["fate"], registry=self._registry
        )
        self.refused = Counter(
            "rtsep_refused", "Clients and messages refused", ["why"], registry=self._registry
        )
        self.step_s = Histogram(
            "rtsep_step_seconds", "One step of all sessions", buckets=_STEP_S, registry=self._registry
        )

    def add(self, before: Counts, now: Counts) -> None:
        """What became of a session's frames since it was last looked at."""
        for fate in ("received", "edited", "missing", "late", "refused"):
            self.frames.labels(fate).inc(getattr(now, fate) - getattr(before, fate))

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
