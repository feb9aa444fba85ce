"""A JACK server of our own on the dummy driver: the real sound card of the tests and benchmarks.

PortAudio looks for JACK when it is loaded, and aborts the process when the server goes first: code that
opens a device runs in a process of its own, between the server's start and its stop.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_READY_S = 10.0


@contextlib.contextmanager
def server(
    folder: Path, sample_rate: int = 48000, period: int = 256, ports: int = 2
) -> Iterator[dict[str, str]]:
    """Run a server; gives the environment in which its clients find it, and JACK_SERVER_PID and _LOG."""
    environment = {
        **os.environ,
        "JACK_DEFAULT_SERVER": f"rtsep-{os.getpid()}-{folder.name}-{period}",
        "JACK_NO_START_SERVER": "1",
        "JACK_NO_AUDIO_RESERVATION": "1",
        "OMP_NUM_THREADS": "1",
    } | _without_alsa_plugins(folder)
    driver = ["-d", "dummy", "-r", str(sample_rate), "-p", str(period), "-C", str(ports), "-P", str(ports)]
    for realtime in (["-R", "-P70"], ["-r"]):
        with (folder / f"jackd{realtime[0]}.log").open("w+") as log:
            process = subprocess.Popen(["jackd", *realtime, *driver], env=environment, stdout=log, stderr=log)
            try:
                if _is_ready(process, environment):
                    yield {**environment, "JACK_SERVER_PID": str(process.pid), "JACK_SERVER_LOG": log.name}
                    return
            finally:
                process.terminate()
                process.wait(10)
            log.seek(0)
            said = log.read()
    raise RuntimeError(f"jackd did not start: {said}")


def run(program: str, environment: dict[str, str], timeout_s: float = 120.0) -> str:
    """Run a Python program as a client; returns what it printed."""
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-c", program]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def _without_alsa_plugins(folder: Path) -> dict[str, str]:
    """Leave out the cards that ALSA's plugins for JACK and PipeWire add where they are installed."""
    system = Path("/usr/share/alsa/alsa.conf")
    said = system.read_text(encoding="utf-8") if system.exists() else ""
    if "cards.@hooks" not in said:
        return {}
    own = folder / "alsa.conf"
    own.write_text(said[said.index("cards.@hooks") :], encoding="utf-8")  # behind what loads conf.d
    return {"ALSA_CONFIG_PATH": str(own)}


def _is_ready(process: subprocess.Popen[bytes], environment: dict[str, str]) -> bool:
    """Whether the server lists its ports before it ends or the time is up."""
    deadline = time.monotonic() + _READY_S
    while process.poll() is None and time.monotonic() < deadline:
        listed = subprocess.run(["jack_lsp"], env=environment, capture_output=True, text=True, check=False)
        if "system:playback_1" in listed.stdout:
            return True
        time.sleep(0.1)
    return False
