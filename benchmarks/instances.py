"""Three ``rtsep run`` beside one JACK server: do all run, on OSC ports of their own, each announced?

python benchmarks/instances.py --seconds 20 --json instances.json
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jack_server
from rich.console import Console
from rich.table import Table
from zeroconf import ServiceBrowser, Zeroconf

COUNT = 3


def main() -> None:
    """Run, print a table, write JSON if asked to; exit code 1 if one does not run or two clash."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--separator", default="default")
    parser.add_argument("--prompt", default="speech")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, jack_server.server(Path(folder)) as environment:
        report = measure(options, environment, Path(folder))
    table = Table("instance", "ran", "OSC port", "dropouts", "load", title=f"{COUNT} beside one JACK server")
    for number, each in enumerate(report["instances"], start=1):
        table.add_row(str(number), *(str(each[key]) for key in ("seconds", "port", "dropouts", "rtf")))
    Console().print(table)
    print(f"JACK clients: {', '.join(report['clients'])}\nannounced: {', '.join(report['announced'])}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    good = all(each["code"] == 0 for each in report["instances"])
    ports = {each["port"] for each in report["instances"]}
    sys.exit(0 if good and len(ports) == COUNT == len(report["announced"]) else 1)


def measure(options: argparse.Namespace, environment: dict[str, str], folder: Path) -> dict[str, Any]:
    """What each instance said and did, and what the server and the network saw meanwhile."""
    line = [sys.executable, "-m", "rtsep", "run", "--separator", options.separator, "-p", options.prompt]
    line += ["--osc", "--name", "rtsep", "--duration", str(options.seconds)]
    files = [folder / f"{number}.json" for number in range(COUNT)]
    running = [
        subprocess.Popen([*line, "--json", file], env=environment, stderr=subprocess.PIPE, text=True)
        for file in files
    ]
    names: set[str] = set()
    clients: set[str] = set()
    network = Zeroconf(interfaces=["127.0.0.1"])
    try:
        ServiceBrowser(network, "_osc._udp.local.", handlers=[lambda name, **_: names.add(name)])
        while any(process.poll() is None for process in running):
            listed = subprocess.run(
                ["jack_lsp"], env=environment, capture_output=True, text=True, check=False
            )
            clients |= {port.partition(":")[0] for port in listed.stdout.split("\n") if "rtsep" in port}
            time.sleep(0.5)
    finally:
        network.close()
    instances = []
    for process, file in zip(running, files, strict=True):
        _, said = process.communicate()
        found = re.search(r"OSC on [\d.]+:(\d+)", said)
        report = json.loads(file.read_text()) if process.returncode == 0 else {}
        shown = {key: report.get(key) for key in ("seconds", "dropouts", "rtf")}
        instances.append(
            {"code": process.returncode, "port": int(found[1]) if found else None, "said": said, **shown}
        )
    return {"instances": instances, "clients": sorted(clients), "announced": sorted(names)}


if __name__ == "__main__":
    main()
