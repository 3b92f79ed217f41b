"""MPtrj: the Materials Project's relaxation frames (one JSON of 11 GB), streamed into shards of extxyz.

B. Deng et al., Nature Machine Intelligence 5, 1031 (2023); figshare 23713842; CC BY 4.0. The file is
``{material id: {"task-calc-step": frame}}``. A task relaxes twice: calc is 1 in the first run and 0 in the
second, so time goes from calc 1 to calc 0 and then by ionic step.

The Mg paper trains on the first three and the last step of each relaxation. MPtrj is thinned already, so the
first three and the last *stored* frame of each task are an approximation of that.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ijson
import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from ionsieve.data.frame_shards import DamagedFrame, Tally, first_three_and_last, make_frame, open_shards
from ionsieve.errors import DataError

LICENCE = "CC BY 4.0"
CITE = "B. Deng et al., Nature Machine Intelligence 5, 1031 (2023), doi:10.1038/s42256-023-00716-3"

_READ_BYTES = 1 << 20
_MATERIAL_ID = re.compile(r"[A-Za-z0-9_.-]+")
_FRAME_ID = re.compile(r"(?P<task>[A-Za-z0-9_.-]+)-(?P<calc>\d+)-(?P<step>\d+)")


def sample(path: Path | str, shards: Sequence[Path], elements: Sequence[str] = ()) -> dict[str, Any]:
    """Write the first three and the last stored frame of each task into ``shards``; returns their counts.

    Streams: one material is in memory at a time. Energies are MPtrj's ``corrected_total_energy``: the
    Materials Project's 2020 corrections make GGA and GGA+U comparable.

    Parameters
    ----------
    path : the MPtrj JSON.
    shards : extxyz files to write; a material's frames are all in one. Some may stay empty.
    elements : symbols; materials with any other element are left out. Empty: none is.

    Raises
    ------
    DataError : the file is no JSON, is cut short, holds nothing, or nothing of it is left.
    """
    path = Path(path)
    allowed = frozenset(elements)
    read = Counter[str](
        materials_read=0, tasks_read=0, frames_read=0, frames_of_other_elements=0, materials=0
    )
    tally = Tally()
    with open_shards(shards, tally) as write:
        for material_id, stored in _materials(path):
            kept_before = tally.kept
            read["materials_read"] += 1
            for frame_ids in _tasks(material_id, stored, tally):
                read["tasks_read"] += 1
                read["frames_read"] += len(frame_ids)
                for frame_id in first_three_and_last(frame_ids):
                    try:
                        if _only_of(allowed, stored[frame_id]):
                            write(_frame(material_id, frame_id, stored[frame_id]))
                        else:
                            read["frames_of_other_elements"] += 1
                    except DamagedFrame as damage:
                        tally.add_damaged(frame_id, damage)
            read["materials"] += tally.kept > kept_before
        if not tally.kept:
            raise DataError(_why_nothing_is_left(path, tally, read, elements))
    return {
        "source": "MPtrj",
        "licence": LICENCE,
        "cite": [CITE],
        "energy": "corrected_total_energy (Materials Project 2020 corrections)",
        "sampling": "first three and last stored frame of each task",
        "file_bytes": path.stat().st_size,
        "elements": sorted(allowed),
        **read,
        **tally.document(),
    }


def _materials(path: Path) -> Iterator[tuple[str, Any]]:
    """Each material's id and frames, in the order of the file."""
    size_bytes = path.stat().st_size
    n_read = 0
    with path.open("rb") as handle:
        try:
            for material_id, stored in ijson.kvitems(handle, "", buf_size=_READ_BYTES, use_float=True):
                yield material_id, stored
                n_read += 1
        except ijson.JSONError as error:
            raise DataError(
                f"{path} is cut short or is no JSON (NaN is none): after {n_read} materials, within the first"
                f" {handle.tell():,} of its {size_bytes:,} bytes: {_first_line(error)}. Fetch it again:"
                " MPtrj_2022.9_full.json has about 11.35 GB (data.mptrj.location)"
            ) from None
    if n_read == 0:
        raise DataError(
            f"{path} holds no materials; data.mptrj.location must be the MPtrj JSON, an object of materials"
        )


def _first_line(error: ijson.JSONError) -> str:
    message = error.args[0]
    return (message.decode(errors="replace") if isinstance(message, bytes) else str(message)).split("\n")[0]


def _tasks(material_id: str, stored: Any, tally: Tally) -> Iterator[list[str]]:
    """Frame ids of each task in order of time; ids that do not tell the order are set aside."""
    if not (_MATERIAL_ID.fullmatch(material_id) and isinstance(stored, Mapping)):
        damage = DamagedFrame("not a material", "its id holds odd characters, or it is no object of frames")
        tally.add_damaged(repr(material_id), damage)
        return
    tasks: dict[str, list[tuple[int, int, str]]] = {}
    for frame_id in stored:
        if name := _FRAME_ID.fullmatch(frame_id):
            tasks.setdefault(name["task"], []).append((-int(name["calc"]), int(name["step"]), frame_id))
        else:
            damage = DamagedFrame("frame id is not task-calc-step", f"in material {material_id}")
            tally.add_damaged(repr(frame_id), damage)
    for steps in tasks.values():
        yield [frame_id for *_, frame_id in sorted(steps)]


def _only_of(allowed: frozenset[str], stored: Any) -> bool:
    """Whether a frame holds nothing but the elements asked for."""
    if not allowed:
        return True
    with _readable():
        return allowed.issuperset(symbol for symbol, _ in _species(stored["structure"]))


def _species(structure: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Element and occupancy of all that is on the sites; more than one on a site of an alloy."""
    return [(specie["element"], specie["occu"]) for site in structure["sites"] for specie in site["species"]]


def _frame(material_id: str, frame_id: str, stored: Any) -> Atoms:
    with _readable():
        structure = stored["structure"]
        sites, species = structure["sites"], _species(structure)
        if len(species) != len(sites) or any(abs(occupancy - 1) > 1e-6 for _, occupancy in species):
            raise DamagedFrame("damaged structure", "partial occupancies")
        if strangers := sorted({symbol for symbol, _ in species if not atomic_numbers.get(symbol)}):
            raise DamagedFrame("unknown element", ", ".join(strangers))
        columns = {
            "numbers": [atomic_numbers[symbol] for symbol, _ in species],
            "cell": np.asarray(structure["lattice"]["matrix"], dtype=float).ravel(),
            "frac_coords": np.asarray([site["abc"] for site in sites], dtype=float).ravel(),
        }
    # All of MPtrj has stress; one frame without it would keep the potential from learning any.
    if stored.get("stress") is None:
        raise DamagedFrame("no stress", "missing or null")
    return make_frame(
        columns,
        stored.get("corrected_total_energy"),
        stored.get("force"),
        stored["stress"],
        {"material_id": material_id, "task": frame_id.rsplit("-", 2)[0], "frame_id": frame_id},
    )


@contextmanager
def _readable() -> Iterator[None]:
    """What a structure of another shape raises, as damage."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFrame("unreadable structure", f"{type(error).__name__}: {error}") from None


def _why_nothing_is_left(path: Path, tally: Tally, read: Counter[str], elements: Sequence[str]) -> str:
    reasons = [f"no frame of the {read['frames_read']} in {path} is left"]
    if others := read["frames_of_other_elements"]:
        reasons.append(
            f"{others} hold other elements than data.mptrj.elements [{', '.join(elements)}]: add some"
        )
    if tally.set_aside:
        reasons.append(f"set aside: {tally.reasons()}")
    return "; ".join(reasons)
