"""What the tests of the command line share."""

from pathlib import Path

import pytest
from cli_runs import PROMPT, Ended, Run

from rtsep.cli import main


@pytest.fixture
def rtsep(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line that begins with ``run --prompt``; returns exit code and stderr."""

    def run(*arguments: object, prompt: tuple[str, ...] = PROMPT) -> Ended:
        line = [*prompt, "--bundle", home / "bundle", *arguments]
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in line])
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return Ended(code or 0, capsys.readouterr().err)

    return run
