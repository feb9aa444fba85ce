"""The name of the scene selected in Ableton Live becomes rtsep's prompt, through AbletonOSC.

pip install python-osc
python ableton_names.py
"""

import argparse

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient


def main() -> None:
    """Listen to Live until Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--live", type=int, default=11000, help="port of AbletonOSC")
    parser.add_argument("--answers", type=int, default=11001, help="port that AbletonOSC answers to")
    parser.add_argument("--rtsep", type=int, default=7770, help="port of rtsep")
    options = parser.parse_args()
    live = SimpleUDPClient("127.0.0.1", options.live)
    rtsep = SimpleUDPClient("127.0.0.1", options.rtsep)

    def selected(_: str, scene: int) -> None:
        live.send_message("/live/scene/get/name", scene)

    def named(_: str, scene: int, name: str) -> None:
        if name:
            rtsep.send_message("/rtsep/prompt", name)

    answers = Dispatcher()
    answers.map("/live/view/get/selected_scene", selected)
    answers.map("/live/scene/get/name", named)
    server = BlockingOSCUDPServer(("127.0.0.1", options.answers), answers)
    live.send_message("/live/view/start_listen/selected_scene", [])
    server.serve_forever()


if __name__ == "__main__":
    main()
