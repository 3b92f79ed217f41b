"""What a reader takes along: the ranked table, the crystals, and what to cite, held in the page itself."""

import io
import re
import zipfile
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from ionsieve.report.section import Section
from ionsieve.report.sections.candidates import data_link
from ionsieve.report.sources import ReportSources

ALWAYS_CITED = ("ionsieve", "ong2013", "larsen2017", "molder2021", "xie2018")
# zip's first date: the same crystals give the same bytes.
DATE = (1980, 1, 1, 0, 0, 0)


def section(sources: ReportSources) -> Section:
    """Downloads with their sizes."""
    downloads = []
    if sources.candidates_csv is not None:
        downloads.append(
            _download(
                "candidates.csv", "the ranked table, every column with its unit", sources.candidates_csv
            )
        )
    if sources.structures:
        count = len(sources.structures)
        downloads.append(
            _download(
                "structures.zip",
                f"{count} CIF file{'' if count == 1 else 's'}, the crystals as screened",
                zipped({f"{name}.cif": cif for name, cif in sources.structures.items()}),
            )
        )
    if downloads:
        downloads.append(_download("citations.bib", "BibTeX of what this run used", citations(sources)))
    return Section(name="downloads", anchor="downloads", title="Downloads", context={"downloads": downloads})


_MEDIA_TYPES = {"csv": "text/csv", "zip": "application/zip", "bib": "application/x-bibtex"}


def _download(name: str, what: str, content: str | bytes) -> dict[str, Any]:
    raw = content.encode() if isinstance(content, str) else content
    link: Markup = data_link(raw, _MEDIA_TYPES[name.rsplit(".", 1)[1]])
    return {"name": name, "what": what, "link": link, "size_kB": max(1, round(len(raw) / 1000))}


def zipped(texts: Mapping[str, str]) -> bytes:
    """Files as a zip archive; the same texts give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(texts):
            archive.writestr(zipfile.ZipInfo(name, DATE), texts[name], zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def citations(sources: ReportSources) -> str:
    """BibTeX of IonSieve, of the methods that ran, and of the data's sources."""
    known = _entries()
    wanted = list(ALWAYS_CITED)
    tiers = set() if sources.validation_summary is None else set(sources.validation_summary["tier"])
    used = {
        "batzner2022": bool(sources.potentials),
        "deng2023": "CHGNet" in _label_kinds(sources) or "universal_potential" in tiers,
        "mortensen2024": "gpaw" in tiers,
        "kresse1996": "vasp" in tiers,
        "grimme2010": "vasp" in tiers,
    }
    wanted += [key for key, is_used in used.items() if is_used]
    others = []
    for name, source in sorted(((sources.catalogue or {}).get("sources") or {}).items()):
        for place, text in enumerate(source.get("cite", ()), start=1):
            key = next((key for key, entry in known.items() if _doi(entry) and _doi(entry) in text), None)
            if key is None:
                others.append(f"@misc{{{name}{place},\n  note = {{{_plain(text)}}}\n}}\n")
            elif key not in wanted:
                wanted.append(key)
    return "\n".join([known[key] for key in wanted] + others)


def _label_kinds(sources: ReportSources) -> Mapping[str, int]:
    return ((sources.catalogue or {}).get("electrodes") or {}).get("by_label_kind") or {}


def _entries() -> dict[str, str]:
    """BibTeX entries by key."""
    text = files("ionsieve.report").joinpath("citations.bib").read_text(encoding="utf-8")
    entries = [entry.strip() + "\n" for entry in re.split(r"\n(?=@)", text)]
    return {re.match(r"@\w+\{(\w+),", entry).group(1): entry for entry in entries}  # type: ignore[union-attr]


def _doi(entry: str) -> str:
    found = re.search(r"doi = \{([^}]+)\}", entry)
    return found.group(1) if found else ""


def _plain(text: str) -> str:
    """Text that stands between BibTeX's braces without opening or closing any."""
    return re.sub(r"[{}\\]", "", text)
