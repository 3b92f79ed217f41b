"""Which files are taken for crystals; light, so that the configuration can ask."""

from pathlib import Path

CRYSTAL_SUFFIXES = (".cif", ".extxyz", ".poscar", ".vasp", ".xyz")
VASP_NAMES = ("POSCAR", "CONTCAR")
CRYSTAL_FORMATS = ", ".join((*CRYSTAL_SUFFIXES, *VASP_NAMES))


def is_address(location: str) -> bool:
    """Whether a location is to be fetched; others are paths."""
    return location.startswith(("https://", "http://"))


def is_crystal_file(path: Path) -> bool:
    """Whether a file's name says that it holds a crystal."""
    return path.is_file() and (
        path.suffix.lower() in CRYSTAL_SUFFIXES or path.name.upper().startswith(VASP_NAMES)
    )


def crystal_files(folder: Path) -> list[Path]:
    """All crystal files in a folder and below, in the order of their names."""
    return sorted(file for file in folder.rglob("*") if is_crystal_file(file))


def crystal_name(path: Path) -> str:
    """What a crystal is called after its file: a bare POSCAR after its folder, others after themselves."""
    if path.name.upper() in VASP_NAMES:
        return path.resolve().parent.name
    return path.name if path.name.upper().startswith(VASP_NAMES) else path.stem
