"""Keys, targets, commands, files, names and messages in the documentation are those of the program."""

import ast
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import BaseModel

from ionsieve.command import app
from ionsieve.config import Config
from ionsieve.report.wording import FLAG_MEANINGS
from ionsieve.tables import RANKED

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# The worked example of a source is not part of the program; the page about it is tested on its own.
FILE_ENDINGS = (".py", ".smk", ".json")
OF_EXAMPLES = ("ase_database", "nearest_electrodes", "stiffened")

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
MAKEFILE = (ROOT / "Makefile").read_text()
RULES = "\n".join(path.read_text() for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))])


def spans(text: str) -> list[str]:
    """What stands between backticks, outside blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def fenced(text: str, language: str) -> list[str]:
    """Blocks of code of one language."""
    return re.findall(rf"^```{language}\b[^\n]*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def shell_lines(text: str) -> list[str]:
    """Commands: indented lines, and what stands between backticks; comments are cut off."""
    indented = re.findall(r"^ {4}(\S.*)$", text, flags=re.MULTILINE)
    return [line.split(" #")[0].rstrip() for line in (*indented, *spans(text))]


def key_exists(dotted: str) -> bool:
    model: Any = Config
    for part in dotted.split("."):
        if not (isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields):
            return False
        model = model.model_fields[part].annotation
    return True


def dotted_keys(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield above + key
        # What the user names: arguments of another library, files of cells.
        if isinstance(value, dict) and not (key.endswith("_arguments") or key == "cells"):
            yield from dotted_keys(value, f"{above}{key}.")


def words(command: str) -> list[str]:
    return re.sub(r"'[^']*'", "QUOTED", command).split()


def ids(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_config_keys_exist(page):
    text = page.read_text()
    sections = "|".join(Config.model_fields)
    named = {
        found[1] for span in spans(text) if (found := re.match(rf"((?:{sections})\.[\w.]*\w)(?::|$)", span))
    }
    for block in fenced(text, "yaml"):
        values = yaml.safe_load(block)
        if isinstance(values, dict) and set(values) & set(Config.model_fields):
            named |= set(dotted_keys(values))
    unknown = {key for key in named if not key_exists(key) and not key.endswith(FILE_ENDINGS)}
    assert {key for key in unknown if not any(example in key for example in OF_EXAMPLES)} == set()


def targets(command: str) -> list[str]:
    """What a command asks Snakemake for: neither its options nor their values."""
    taking_values = {
        "--cores",
        "--configfile",
        "--profile",
        "--sdm",
        "--config",
        "--set-resources",
        "--until",
    }
    taking_values |= {"--resources", "--directory", "--snakefile", "--cleanup-metadata", "-c"}
    found: list[str] = []
    skip = False
    for word in words(command)[1:]:
        if skip or word.startswith("-"):
            skip = word in taking_values
        elif re.fullmatch(r"[\w./{}]+", word) and word not in {"...", "N"}:
            found.append(word)
    return found


def is_target(name: str) -> bool:
    if re.search(rf"^(?:rule|checkpoint) {re.escape(name)}:", RULES, flags=re.MULTILINE):
        return True
    outputs = {
        re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(path)) for path in re.findall(r'"(results/[^"]+)"', RULES)
    }
    return any(re.fullmatch(path, name) for path in outputs)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_targets_of_snakemake_exist(page):
    named = {
        target
        for line in shell_lines(page.read_text())
        if line.startswith("snakemake ")
        for target in targets(line)
    }
    assert {target for target in named if not is_target(target)} == set()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_and_their_options_exist(page):
    mistaken = []
    for line in shell_lines(page.read_text()):
        if line.startswith("make ") and re.match(r"make [a-z-]+$", line):
            if not re.search(rf"^{line.split()[1]}:", MAKEFILE, flags=re.MULTILINE):
                mistaken.append(line)
        elif line.startswith("ionsieve ") and (called := line.split()[1]).islower():
            parameters = getattr(COMMANDS.get(called), "params", [])
            options = {option for parameter in parameters for option in parameter.opts}
            given = set(re.findall(r"(?<=[\s\[])--?[a-z][a-z-]*", line))
            if called not in COMMANDS or given - options:
                mistaken.append(line)
    assert mistaken == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_files_of_the_repository_exist(page):
    folders = "ionsieve|rules|workflow_scripts|examples|benchmarks|tests|profiles|envs|docs"
    named = {
        found[0]
        for span in spans(page.read_text())
        for found in re.finditer(rf"(?<![\w/])(?:{folders})/[\w./-]*\w\.(?:py|smk|yaml|sh|md|lock)\b", span)
    }
    named = {name for name in named if not any(example in name for example in OF_EXAMPLES)}
    assert {name for name in named if not (ROOT / name).exists()} == set()


def resolves(dotted: str) -> bool:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_python_names_exist(page):
    named = {
        found[1]
        for span in spans(page.read_text())
        if (found := re.match(r"(ionsieve(?:\.\w+)+)(?:\(|$)", span))
    }
    assert {name for name in named if not resolves(name)} == set()


def test_columns_and_flags_of_the_ranking_exist():
    page = (ROOT / "docs" / "quick_start.md").read_text()
    section = page.split("## How to read a row")[1].split("\n## ")[0]
    columns = set(re.findall(r"`((?:md|voltage|conductivity)_\w+|rank|role|score|flags)`", section))
    assert len(columns) > 8 and columns <= set(RANKED.names)
    flags = set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE))
    assert len(flags) > 5 and flags <= set(FLAG_MEANINGS)
    cells = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    (shown,) = (source for source in sources if "run.candidates[columns]" in source)
    named = set(re.findall(r'^ +"(\w+)",$', shown, flags=re.MULTILINE))
    assert len(named) > 5 and named <= set(RANKED.names)


def literals() -> list[str]:
    """Strings of the program, f-strings with a hole for each value; then what make says."""
    found = []
    for path in [*(ROOT / "ionsieve").rglob("*.py"), *(ROOT / "workflow_scripts").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return [*found, MAKEFILE]


def test_messages_in_troubleshooting_are_those_of_the_program():
    messages = fenced((ROOT / "docs" / "troubleshooting.md").read_text(), "text")
    assert len(messages) > 15
    of_program = literals()
    pieces = {
        piece.strip(" ()[]:\n")
        for message in messages
        for piece in re.split(r"\.\.\.|\n", message)
        if len(piece.strip(" ()[]\n;:,")) > 3
    }
    unknown = {piece for piece in pieces if not any(piece in literal for literal in of_program)}
    assert unknown == set()


def test_figures_of_the_page_on_trust_stand_in_the_pages_that_it_names():
    text = (ROOT / "docs" / "trust.md").read_text()
    lines = [line for line in re.split(r"\n(?=[|*])|\n\n", text) if re.search(r"\]\(\w+\.md", line)]
    checked = 0
    for line in lines:
        pages = re.findall(r"\]\((\w+\.md)", line)
        source = "\n".join((ROOT / "docs" / page).read_text() for page in pages)
        for figure in re.findall(r"(?<![\d.])\d\.\d{2,3}(?!\d)", line):
            assert figure in source, f"{figure} of {line[:60]!r} is not in {pages}"
            checked += 1
    assert checked > 30


def test_errors_by_ion_are_those_of_the_benchmark():
    text = (ROOT / "docs" / "own_ion.md").read_text()
    errors = re.search(r"^\| MAE, V \|(.*)\|$", text, flags=re.MULTILINE)
    benchmark = (ROOT / "docs" / "voltage_benchmark.md").read_text().split("## `framework`")[1]
    row = re.search(
        r"MAE / V by ion.*?^\| `ionsieve`: [^|]*\|(.*?)\|$", benchmark, flags=re.MULTILINE | re.DOTALL
    )
    assert errors and row and errors[1].split() == row[1].split()
