"""What a reader takes along: the ranked table, the crystals, and what to cite, held in the page itself."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ionsieve.citations import bibtex, methods_of
from ionsieve.report.section import Section
from ionsieve.report.sections.candidates import data_link
from ionsieve.report.sources import ReportSources
from ionsieve.report.wording import plural

# zip's first date: the same crystals give the same bytes.
DATE = (1980, 1, 1, 0, 0, 0)


def section(sources: ReportSources) -> Section:
    """Downloads with their sizes."""
    downloads = []
    if sources.candidates_csv is not None:
        state = "" if sources.missing is None else ", as far as this run came"
        downloads.append(
            _download(
                "candidates.csv",
                f"the ranked table{state}, every column with its unit",
                sources.candidates_csv,
            )
        )
    if sources.structures:
        downloads.append(
            _download(
                "structures.zip",
                f"{plural(len(sources.structures), 'CIF file')}, the crystals as screened",
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
    """BibTeX of IonSieve, of the methods that the configuration uses, and of the data's sources."""
    methods = [] if sources.config is None else methods_of(sources.config)
    return bibtex(methods, sources.catalogue or {})
