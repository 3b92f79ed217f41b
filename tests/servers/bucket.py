"""A public bucket on loopback: files with ranges, ETags and checksums as in Google storage, and faults.

Also writes the small GNoME release that tests put into it.
"""

import base64
import csv
import hashlib
import re
import sys
import threading
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter

FAULTS = (
    "503",
    "429",
    "403",
    "cut",
    "refuse",
    "no-range",
    "no-if-range",
    "no-head",
    "no-size",
    "no-etag",
    "weak-etag",
    "wrong-md5",
)
GNOME_COLUMNS = [
    "Composition",
    "MaterialId",
    "Reduced Formula",
    "Elements",
    "NSites",
    "Volume",
    "Density",
    "Point Group",
    "Space Group",
    "Space Group Number",
    "Crystal System",
    "UnCorrected Energy",
    "Corrected Energy",
    "Formation Energy Per Atom",
    "Decomposition Energy Per Atom",
    "Dimensionality Cheon",
    "Bandgap",
    "Is Train",
    "Decomposition Energy Per Atom All",
    "Decomposition Energy Per Atom Relative",
    "Decomposition Energy Per Atom MP",
    "Decomposition Energy Per Atom MP OQMD",
]


@dataclass(frozen=True)
class Request:
    """One request as it came: method, path below the bucket, and its Range header."""

    method: str
    path: str
    range: str | None


@dataclass
class _Fault:
    kind: str
    times: float
    path: str
    after: int


class Bucket:
    """Serves a folder over HTTP/1.1 while the ``with`` block runs; files may be replaced meanwhile.

    Attributes
    ----------
    url : its address, without a slash at the end.
    requests : the log, oldest first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[Request] = []
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        class Handler(_Handler):
            bucket = self

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault(self, kind: str, times: float = 1, path: str = "", after: int = 0) -> None:
        """Misbehave at the next ``times`` requests (``math.inf``: for good).

        Parameters
        ----------
        kind : "503", "429", "403" (answered so), "cut" (the connection breaks after half of the body),
            "refuse" (it breaks before any answer), "no-range", "no-if-range" (these headers are ignored),
            "no-head" (HEAD is answered 403), "no-size" (no Content-Length), "no-etag", "weak-etag",
            "wrong-md5" (another checksum is published).
        path : only requests whose path ends so.
        after : this many such requests pass first.
        """
        if kind not in FAULTS:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(FAULTS)}")
        self._faults.append(_Fault(kind, times, path, after))

    def asked(self, path: str, method: str = "GET") -> list[str | None]:
        """The Range headers of the requests for one file so far."""
        return [entry.range for entry in self.requests if (entry.method, entry.path) == (method, path)]

    def take_faults(self, method: str, path: str) -> set[str]:
        """The faults that this request meets; each is used up by one."""
        met = set()
        with self._lock:
            for fault in self._faults:
                # A fault of a body waits for a request that has one.
                bodiless = method == "HEAD" and fault.kind in {"cut", "no-range", "no-if-range"}
                if bodiless or not path.endswith(fault.path) or fault.times <= 0:
                    continue
                if fault.kind == "no-head" and method != "HEAD":
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                met.add(fault.kind)
        return met


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *details: object) -> None:
        # A client that has seen enough of a file hangs up.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*details)


class _Handler(BaseHTTPRequestHandler):
    bucket: Bucket
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement of its headers

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def do_GET(self) -> None:
        self._serve(body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        asked = self.headers.get("Range")
        self.bucket.requests.append(Request(self.command, path, asked))
        faults = self.bucket.take_faults(self.command, path)
        if "refuse" in faults:
            self.close_connection = True
            return
        for status in (503, 429):
            if str(status) in faults:
                self._answer(status, {"Retry-After": "0"})
                return
        if faults & {"403", "no-head"}:
            self._answer(403)
            return
        file = self.bucket.folder / path
        if not file.is_file():
            self._answer(404)
            return
        content = file.read_bytes()
        md5 = hashlib.md5(content).digest()
        etag = f'"{md5.hex()}"'
        published = hashlib.md5(b"another file").digest() if "wrong-md5" in faults else md5
        headers = {
            "ETag": etag,
            "Accept-Ranges": "bytes",
            # As Google storage sends it, the checksum that nobody here can compute first.
            "x-goog-hash": f"crc32c=AAAAAA==, md5={base64.b64encode(published).decode()}",
        }
        if "no-etag" in faults:
            del headers["ETag"]
        if "weak-etag" in faults:
            headers["ETag"] = f"W/{etag}"
        status, start, stop = 200, 0, len(content)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
        same = "no-if-range" in faults or self.headers.get("If-Range", etag) == etag
        if wanted and same and "no-range" not in faults:
            start = int(wanted[1])
            stop = min(int(wanted[2]) + 1 if wanted[2] else len(content), len(content))
            if start >= len(content):
                self._answer(416, {"Content-Range": f"bytes */{len(content)}"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        self.send_response(status)
        if "no-size" in faults:
            self.close_connection = True
        else:
            headers["Content-Length"] = str(stop - start)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        if "cut" in faults:
            stop -= (stop - start + 1) // 2
            self.close_connection = True
        self.wfile.write(content[start:stop])

    def _answer(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()


def write_gnome(
    folder: Path,
    structures: Mapping[str, Structure],
    changes: Mapping[str, Mapping[str, object]] | None = None,
    without_cif: Collection[str] = (),
    columns: Collection[str] = tuple(GNOME_COLUMNS),
) -> None:
    """Write stable_materials_summary.csv and by_id.zip as GNoME's bucket has them; equal input, equal bytes.

    Parameters
    ----------
    structures : crystals by MaterialId.
    changes : cells of the CSV that differ from the defaults (formation energy -1.5 eV/atom, decomposition
        energies 0), by MaterialId and column.
    without_cif : crystals of the CSV that the archive lacks.
    columns : the CSV's columns, in their order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stable_materials_summary.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for name, structure in structures.items():
            writer.writerow({**_summary(name, structure), **(changes or {}).get(name, {})})
    with zipfile.ZipFile(folder / "by_id.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, structure in structures.items():
            if name not in without_cif:
                # ZipInfo's default date is fixed, unlike that of a bare name.
                member = zipfile.ZipInfo(f"by_id/{name}.CIF")
                archive.writestr(member, str(CifWriter(structure)), zipfile.ZIP_DEFLATED)


def _summary(name: str, structure: Structure) -> dict[str, object]:
    energy = {column: 0.0 for column in GNOME_COLUMNS if column.startswith("Decomposition")}
    return {
        "Composition": structure.composition.formula.replace(" ", ""),
        "MaterialId": name,
        "Reduced Formula": structure.composition.reduced_formula,
        "Elements": str(sorted(element.symbol for element in structure.composition.elements)),
        "NSites": len(structure),
        "Volume": structure.volume,
        "Density": structure.density,
        "Point Group": "1",
        "Space Group": "P1",
        "Space Group Number": 1,
        "Crystal System": "triclinic",
        "UnCorrected Energy": -5.0 * len(structure),
        "Corrected Energy": -5.5 * len(structure),
        "Formation Energy Per Atom": -1.5,
        "Dimensionality Cheon": "3D",
        "Bandgap": 1.0,
        "Is Train": True,
        **energy,
    }
