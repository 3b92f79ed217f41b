"""Which files are taken for crystals, and their names; light, so that the configuration can ask."""

from pathlib import Path

CRYSTAL_SUFFIXES = (".cif", ".extxyz", ".poscar", ".vasp", ".xyz")
VASP_NAMES = ("POSCAR", "CONTCAR")
CRYSTAL_FORMATS = ", ".join((*CRYSTAL_SUFFIXES, *VASP_NAMES))
JSON_LINES_SUFFIX = ".jsonl"
COMPRESSED_SUFFIX = ".gz"


def is_address(location: str) -> bool:
    """Whether a location is to be fetched; others are paths."""
    return location.startswith(("https://", "http://"))


def uncompressed_name(path: Path) -> str:
    """The name of a file without its ``.gz``."""
    return path.stem if path.suffix.lower() == COMPRESSED_SUFFIX else path.name


def format_suffix(path: Path) -> str:
    """The suffix that tells a file's format, in lower case: ``.cif`` of ``MgO.CIF.gz``."""
    return Path(uncompressed_name(path)).suffix.lower()


def is_crystal_file(path: Path) -> bool:
    """Whether a file's name says that it holds a crystal; it may be gzipped."""
    return path.is_file() and (
        format_suffix(path) in CRYSTAL_SUFFIXES or uncompressed_name(path).upper().startswith(VASP_NAMES)
    )


def is_json_lines(path: Path) -> bool:
    """Whether a file's name says that it holds JSON Lines; it may be gzipped."""
    return format_suffix(path) == JSON_LINES_SUFFIX


def crystal_files(folder: Path) -> list[Path]:
    """All crystal files in a folder and below, in the order of their names."""
    return sorted(file for file in folder.rglob("*") if is_crystal_file(file))


def crystal_name(path: Path) -> str:
    """What a crystal is called after its file: a bare POSCAR after its folder, others after themselves."""
    name = uncompressed_name(path)
    if name.upper() in VASP_NAMES:
        return path.resolve().parent.name
    return name if name.upper().startswith(VASP_NAMES) else Path(name).stem
