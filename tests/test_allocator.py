"""Threads of an engine's process share one heap."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import sys, threading
from pathlib import Path
{before}
met = threading.Barrier(12)

def work():
    met.wait()
    kept = [bytearray(20_000) for _ in range(100)]
    met.wait()

threads = [threading.Thread(target=work) for _ in range(11)]
for each in threads:
    each.start()
met.wait()
# An arena of a thread is a mapping of its own that begins at a multiple of 64 MiB.
starts = (line.split("-")[0] for line in Path("/proc/self/maps").read_text().splitlines())
print(sum(int(start, 16) % (64 << 20) == 0 for start in starts))
met.wait()
"""


def arenas(before: str) -> int:
    """Heaps of threads in a process of twelve."""
    script = COUNT.format(before=before)
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has heaps for threads")
def test_threads_share_one_heap_where_each_would_have_its_own() -> None:
    assert arenas("") > 1
    assert arenas("from rtsep.allocator import one_heap; one_heap()") == 0
