"""Published weights come in whole, checked, or not at all: over the network and from files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from published_dac import SHAPES, TINY, random_dac, save_as_the_package_does

from rtsep.cli import main
from rtsep.models.codec_store import load_codec
from rtsep.models.dac_weights import dac_codec, read_checkpoint

Run = Callable[..., str]


class Server:
    """Serves one file over HTTP, with ranges, and breaks off where it is told to."""

    def __init__(self, content: bytes) -> None:
        self.content, self.breaks_after, self.resumes = content, len(content), True
        self.asked: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(asked := self.headers.get("Range"))
                start = int(asked.split("=")[1].rstrip("-")) if asked and server.resumes else 0
                if start >= len(server.content):
                    return self.send_error(416)
                if "missing" in self.path:
                    return self.send_error(404)
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(server.content) - start))
                self.end_headers()
                self.wfile.write(server.content[start : max(start, server.breaks_after)])
                self.close_connection = True
                return None

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/weights.pth"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "weights_16khz.pth"
    return save_as_the_package_does(random_dac(**TINY), path)


@pytest.fixture
def server(weights: Path) -> Iterator[Server]:
    server = Server(weights.read_bytes())
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


@pytest.fixture
def rtsep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``rtsep bundles ...`` among folders of its own; returns stdout, or the one line of a fault."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: str | Path, fails: bool = False) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["bundles", *map(str, arguments)])
        said = capsys.readouterr()
        assert (ended.value.code or 0) == (2 if fails else 0), said
        assert not fails or (said.err.count("\n") == 1 and said.err.startswith("rtsep: ")), said.err
        return said.err if fails else said.out

    return run


def left(tmp_path: Path) -> list[str]:
    """Every file that is there."""
    return sorted(
        str(path.relative_to(tmp_path))
        for place in ("data", "cache")
        for path in (tmp_path / place).rglob("*")
        if path.is_file()
    )


KEPT = ["data/rtsep/codecs/dac-16k/codec.json", "data/rtsep/codecs/dac-16k/weights.safetensors"]
PART = "cache/rtsep/downloads/dac-16k.part"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pull(server: Server) -> tuple[str, ...]:
    return "pull", "dac-16k", "--url", server.url, "--sha256", digest(server.content)


def test_what_is_pulled_is_the_codec_that_was_published(
    rtsep: Run, server: Server, weights: Path, tmp_path: Path
) -> None:
    rtsep(*pull(server))
    assert left(tmp_path) == KEPT
    pulled, imported = load_codec("dac-16k"), dac_codec(read_checkpoint(weights), "")
    assert pulled.config == imported.config
    for name, tensor in imported.state_dict().items():
        assert torch.equal(pulled.state_dict()[name], tensor)
    listed = rtsep()
    assert "dac-16k: a codec without a masker" in listed and "lookahead 5701 (376.3 ms)" in listed


def test_offline_is_one_line_and_leaves_nothing(rtsep: Run, server: Server, tmp_path: Path) -> None:
    server.http.shutdown()  # it may not have begun to serve yet, and must not find its socket closed
    server.http.server_close()
    closed = server.url
    assert "import" in rtsep("pull", "dac-16k", "--url", closed, fails=True)
    assert left(tmp_path) == []


def test_a_server_without_the_file_is_one_line_and_leaves_nothing(
    rtsep: Run, server: Server, tmp_path: Path
) -> None:
    assert "404" in rtsep("pull", "dac-16k", "--url", server.url + "?missing", fails=True)
    assert left(tmp_path) == []


def test_a_wrong_checksum_is_one_line_and_leaves_nothing(rtsep: Run, server: Server, tmp_path: Path) -> None:
    said = rtsep("pull", "dac-16k", "--url", server.url, fails=True)  # against the checksum of the real one
    assert digest(server.content) in said and "95ab7176" in said
    assert left(tmp_path) == []


def test_a_broken_off_pull_goes_on_where_it_stopped(rtsep: Run, server: Server, tmp_path: Path) -> None:
    half = server.breaks_after = len(server.content) // 2
    assert "broke off" in rtsep(*pull(server), fails=True)
    assert left(tmp_path) == [PART] and (tmp_path / PART).read_bytes() == server.content[:half]
    server.breaks_after = len(server.content)
    rtsep(*pull(server))
    assert server.asked == [None, f"bytes={half}-"]
    assert left(tmp_path) == KEPT


def test_a_server_that_cannot_resume_sends_all_again(rtsep: Run, server: Server, tmp_path: Path) -> None:
    server.breaks_after, server.resumes = 1000, False
    rtsep(*pull(server), fails=True)
    server.breaks_after = len(server.content)
    rtsep(*pull(server))
    assert left(tmp_path) == KEPT


def test_a_part_longer_than_the_file_is_fetched_anew(rtsep: Run, server: Server, tmp_path: Path) -> None:
    (tmp_path / PART).parent.mkdir(parents=True)
    (tmp_path / PART).write_bytes(server.content + b"more")
    rtsep(*pull(server))
    assert left(tmp_path) == KEPT


def test_a_file_that_was_cut_short_is_one_line_and_leaves_nothing(
    rtsep: Run, server: Server, tmp_path: Path
) -> None:
    server.content = server.content[: len(server.content) // 2]
    assert "cut short" in rtsep(*pull(server), fails=True)
    assert left(tmp_path) == []


def test_weights_of_another_rate_are_one_line_and_leave_what_was_there(
    rtsep: Run, server: Server, tmp_path: Path
) -> None:
    rtsep(*pull(server))
    before = [(tmp_path / path).read_bytes() for path in KEPT]
    other = save_as_the_package_does(random_dac(**SHAPES["dac-44k"]), tmp_path / "other.pth")
    server.content = other.read_bytes()
    server.breaks_after = len(server.content)
    assert "44100 Hz" in rtsep(*pull(server), fails=True)
    assert left(tmp_path) == KEPT
    assert [(tmp_path / path).read_bytes() for path in KEPT] == before


def test_an_unknown_name_says_what_there_is(rtsep: Run) -> None:
    assert "dac-16k, dac-24k, dac-44k" in rtsep("pull", "dac-8k", fails=True)


@pytest.mark.parametrize("rate", SHAPES)
def test_a_local_file_is_imported_under_its_published_name(rtsep: Run, tmp_path: Path, rate: str) -> None:
    path = save_as_the_package_does(random_dac(**SHAPES[rate]), tmp_path / "weights.pth")
    rtsep("import", path)
    assert load_codec(rate).config.sample_rate == SHAPES[rate]["sample_rate"]


def test_folded_weights_are_as_good(rtsep: Run, weights: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(weights, weights_only=True)
    state = checkpoint["state_dict"]
    for name in [key.removesuffix("_g") for key in state if key.endswith("weight_g")]:
        direction, length = state.pop(f"{name}_v"), state.pop(f"{name}_g")
        state[name] = torch._weight_norm(direction, length, 0)
    torch.save(checkpoint, tmp_path / "folded.pth")
    rtsep("import", tmp_path / "folded.pth", "--name", "folded")
    expected = dac_codec(read_checkpoint(weights), "").state_dict()
    for name, tensor in load_codec("folded").state_dict().items():
        assert (tensor - expected[name]).abs().max() <= 1e-6


def without(key: str) -> Callable[[dict], object]:
    return lambda checkpoint: checkpoint["state_dict"].pop(key)


SPOILT: list[tuple[Callable[[dict], object], str]] = [
    (without("encoder.block.0.weight_g"), "encoder.block.0.weight_g is missing"),
    (lambda checkpoint: checkpoint.pop("metadata"), "kwargs are missing"),
    (lambda checkpoint: checkpoint["metadata"]["kwargs"].update(decoder_dim=64), "shape"),
    (lambda checkpoint: checkpoint["metadata"]["kwargs"].update(decoder_dim="wide"), "decoder_width"),
    (lambda checkpoint: checkpoint["metadata"]["kwargs"].update(n_codebooks=2), "quantizers.2"),
    (lambda checkpoint: checkpoint["metadata"]["kwargs"].update(latent_dim=63), "63"),
    (lambda checkpoint: checkpoint["state_dict"].update(more=torch.zeros(1)), "more is not part"),
    (lambda checkpoint: checkpoint["state_dict"]["encoder.block.0.bias"].fill_(torch.nan), "not finite"),
    (lambda checkpoint: checkpoint["metadata"].update(code=Path), "brings code"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILT, ids=[said for _, said in SPOILT])
def test_another_architecture_is_named_in_one_line_and_leaves_nothing(
    rtsep: Run, weights: Path, tmp_path: Path, spoil: Callable[[dict], object], said: str
) -> None:
    checkpoint = torch.load(weights, weights_only=True)
    spoil(checkpoint)
    torch.save(checkpoint, tmp_path / "weights.pth")
    assert said in rtsep("import", tmp_path / "weights.pth", fails=True)
    assert left(tmp_path) == []


def test_a_name_that_is_no_name_and_a_file_that_is_no_file_are_refused(
    rtsep: Run, weights: Path, tmp_path: Path
) -> None:
    assert "cannot be a name" in rtsep("import", weights, "--name", "../evil", fails=True)
    assert "cannot read" in rtsep("import", tmp_path / "nowhere.pth", fails=True)
    (tmp_path / "text.pth").write_text("no weights")
    assert "no file of weights" in rtsep("import", tmp_path / "text.pth", fails=True)


def test_a_codec_is_not_taken_for_a_bundle(
    rtsep: Run, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rtsep("import", weights)
    with pytest.raises(SystemExit):
        main(["run", "--bundle", "dac-16k", "--prompt", "speech", "--input", "x.wav", "--output", "y.wav"])
    assert "a codec without a masker" in capsys.readouterr().err
