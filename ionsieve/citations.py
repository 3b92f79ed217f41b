"""What a run should cite, as BibTeX: the data it read, and the methods and programs that it used."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ionsieve import __version__

_DOI = re.compile(r"doi:\s*(10\.\S+?)[.,;]?$")

# Articles that go with that of a method: its program's, and its element vectors'.
_CITED_BESIDE = {"nequip": ("nequip_framework",), "drxnet": ("element_vectors",)}
# What every run uses: graphs as CGCNN draws them, whose networks pool anew, and boosted trees on formulas.
_ALWAYS_CITED = ("snakemake", "pymatgen", "ase", "cgcnn", "lightgbm")
_REFERENCES = Path(__file__).parent / "references.bib"
_ENTRY = re.compile(r"^@\w+\{(?P<name>\w+),\n.*?^\}\n", re.MULTILINE | re.DOTALL)
_OURS = """\
@misc{{ionsieve,
  author = {{{{The IonSieve authors}}}},
  title = {{{{IonSieve}}}},
  note = {{version {version}}},
}}
"""


def bibtex(methods: Iterable[str], catalogue: Mapping[str, Any]) -> str:
    """BibTeX of all that a run should cite.

    Parameters
    ----------
    methods : names in references.bib.
    catalogue : the document of the catalogue; its sources say what they ask to be cited.
    """
    known = _known()
    by_doi = {match[1]: name for name, text in known.items() if (match := re.search(r"doi = \{(.*)\}", text))}
    cited = [name for method in methods for name in (method, *_CITED_BESIDE.get(method, ()))]
    entries = [_OURS.format(version=__version__), *(known[name] for name in cited)]
    for source, provenance in sorted((catalogue.get("sources") or {}).items()):
        for number, text in enumerate(provenance.get("cite", []), start=1):
            match = _DOI.search(text)
            name = by_doi.get(match[1]) if match else None
            if name is None:
                doi = f"  doi = {{{match[1]}}},\n" if match else ""
                entries.append(f"@misc{{{source}_{number},\n  note = {{{_plain(text)}}},\n{doi}}}\n")
            elif name not in cited:
                entries.append(known[name])
                cited.append(name)
    return "\n".join(entries)


def methods_of(config: Mapping[str, Any]) -> list[str]:
    """Names of the entries for methods and programs that a configuration uses."""
    potential, validation, discharge = config["potential"], config["validation"], config["discharge"]
    calculators = [validation["universal_potential"]]
    if potential["mode"] == "teacher":
        calculators.append(potential["teacher"])
    else:
        calculators.append(potential["shared_calculator"])
    used = {
        "nequip": potential["mode"] == "teacher" or not potential["shared_calculator"],
        "chgnet": "chgnet" in calculators or "demo" in config["data"]["sources"],
        "vasp": validation["enabled"],
        "dftd3": validation["enabled"],
        "gpaw": validation["gpaw"],
        "drxnet": bool(discharge["tests"] or discharge["model"]),
    }
    return [*_ALWAYS_CITED, *(name for name, is_used in used.items() if is_used)]


def _known() -> dict[str, str]:
    """Entries of references.bib by their names."""
    return {match["name"]: match[0] for match in _ENTRY.finditer(_REFERENCES.read_text())}


def _plain(text: str) -> str:
    """Text that stands between BibTeX's braces without opening or closing any."""
    return re.sub(r"[{}\\]", "", text)
