"""README says what is true: its table of parameters is the table of parameters."""

from __future__ import annotations

from pathlib import Path

from rtsep.control import PARAMETERS, Parameter

README = Path(__file__).parents[1] / "README.md"


def row(parameter: Parameter) -> str:
    values = {
        bool: "on, off",
        str: "words",
        float: f"{parameter.low:g} to {parameter.high:g} {parameter.unit}".rstrip(),
    }[parameter.kind]
    default = parameter.default
    at_first = f"{default:g}" if parameter.kind is float else {True: "on", False: "off"}.get(default, "")
    name = parameter.name.replace("prompt/1/", "prompt/N/")
    return f"| `{name}` | {values} | {at_first} | {parameter.help} |"


def test_the_table_of_parameters_in_readme_is_the_table_of_parameters() -> None:
    text = README.read_text(encoding="utf-8")
    _, _, table = text.partition("tests/test_readme.py -->\n")
    table, _, _ = table.partition("<!-- end of parameters -->")
    others = tuple(f"prompt/{number}/" for number in range(2, 9))
    wanted = [row(each) for name, each in PARAMETERS.items() if not name.startswith(others)]
    assert table.splitlines()[2:] == wanted
