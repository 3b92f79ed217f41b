#!/usr/bin/env python3
"""A TEST DOUBLE of VASP: reads VASP's inputs and writes VASP's outputs, with energies that are no physics.

It takes four ionic steps, each of which grows the cell by a known share, writes CONTCAR and OUTCAR at every
step as VASP does, and gives each cell the energy of :func:`energy_eV`, of which ``DISPERSION_EV_PER_ATOM`` is
D3's. As in VASP 5.4, electronic steps leave D3 out.

The file that STAND_IN names (in the environment) tells how it behaves, one word for one start: ``crash``
(prints an error that custodian has a remedy for, and ends), ``killed`` (SIGKILL at the second ionic step),
``unconverged`` (no electronic convergence). Without a word, or without the file, it converges. Each start
appends its formula and the volume that it started from to that file's name with ``.started``.
"""

import math
import os
import signal
import sys
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp import Incar, Poscar

IONIC_STEPS = 4
END_VOLUME_FACTOR = 1.06  # of the cell that a start was given, spread evenly over the steps
DISPERSION_EV_PER_ATOM = -0.075
ELECTRONIC_STEPS = 5


def energy_eV(structure: Structure) -> float:
    """Energy of a cell: pairs within 5 angstrom, a constant per element, and D3's."""
    pairs = structure.get_neighbor_list(5.0)[3]
    bonds = 0.5 * (900.0 * np.exp(-pairs / 0.32) - 4.0 / pairs**2).sum()
    constants = sum(-2.0 - 0.05 * site.specie.Z for site in structure)
    return float(bonds + constants + DISPERSION_EV_PER_ATOM * len(structure))


def behaviour(structure: Structure) -> str:
    """The next word of the script, which is used up."""
    script = os.environ.get("STAND_IN")
    if not script:
        return ""
    with Path(f"{script}.started").open("a") as log:
        log.write(f"{structure.composition.reduced_formula} {structure.volume:.4f}\n")
    words = Path(script).read_text().split() if Path(script).exists() else []
    Path(script).write_text("\n".join(words[1:]))
    return words[0] if words else ""


def main() -> None:
    incar, start = Incar.from_file("INCAR"), Poscar.from_file("POSCAR").structure
    word = behaviour(start)
    if word == "crash":
        print(" ZBRENT: fatal error in bracketing\n     please rerun with smaller EDIFF, or copy CONTCAR")
        Poscar(start).write_file("CONTCAR")
        Path("OUTCAR").write_text(" running on    1 total cores\n")
        sys.exit(1)
    if word == "unconverged":
        return write(incar, [start], converged=False)
    steps = []
    for number in range(1, IONIC_STEPS + 1):
        step = start.copy()
        step.scale_lattice(start.volume * (1 + (END_VOLUME_FACTOR - 1) * number / IONIC_STEPS))
        steps.append(step)
        Poscar(step).write_file("CONTCAR")
        Path("OUTCAR").write_text(" running on    1 total cores\n")
        if word == "killed" and number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    write(incar, steps, converged=True)
    print(" reached required accuracy - stopping structural energy minimisation")


def potcar() -> tuple[list[str], dict[str, float]]:
    """Titles and valence electrons by element."""
    titles: list[str] = []
    valence: dict[str, float] = {}
    for line in Path("POTCAR").read_text().splitlines():
        if "TITEL" in line:
            titles.append(line.split("=")[1].strip())
        elif "ZVAL" in line:
            valence[titles[-1].split()[1].split("_")[0]] = float(line.split("ZVAL")[1].split()[1])
    return titles, valence


def varray(name: str, rows) -> str:
    lines = "".join(f"<v>{' '.join(f'{value:.10f}' for value in row)}</v>\n" for row in rows)
    return f'<varray name="{name}">\n{lines}</varray>\n'


def cell_xml(structure: Structure, name: str = "") -> str:
    named = f' name="{name}"' if name else ""
    lattice = structure.lattice
    return (
        f"<structure{named}><crystal>"
        + varray("basis", lattice.matrix)
        + f'<i name="volume">{structure.volume:.8f}</i>'
        + varray("rec_basis", lattice.reciprocal_lattice_crystallographic.matrix)
        + "</crystal>"
        + varray("positions", structure.frac_coords)
        + "</structure>\n"
    )


def tag_xml(tag: str, value) -> str:
    kind = {bool: ' type="logical"', int: ' type="int"', str: ' type="string"'}.get(type(value), "")
    if isinstance(value, list):
        integers = ' type="int"' if tag == "LDAUL" else ""
        return f'<v{integers} name="{tag}">{" ".join(map(str, value))}</v>\n'
    text = {True: "T", False: "F"}[value] if isinstance(value, bool) else value
    return f'<i{kind} name="{tag}">{text}</i>\n'


def energies_xml(energy: float) -> str:
    names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
    return "<energy>" + "".join(f'<i name="{name}">{energy:.8f}</i>' for name in names) + "</energy>"


def write(incar: Incar, steps: list[Structure], *, converged: bool) -> None:
    """Write vasprun.xml, OUTCAR, CONTCAR and OSZICAR as VASP leaves them at its end."""
    titles, valence = potcar()
    start, end = steps[0], steps[-1]
    symbols = [site.specie.symbol for site in end]
    kinds = list(dict.fromkeys(symbols))
    n_electrons = sum(valence[symbol] for symbol in symbols)
    n_bands, n_spins = int(n_electrons / 2) + len(end), int(incar.get("ISPIN", 1))
    mesh = [max(1, math.ceil(length / incar["KSPACING"])) for length in end.lattice.reciprocal_lattice.abc]
    d3 = DISPERSION_EV_PER_ATOM * len(end)
    totals = [energy_eV(step) for step in steps]
    n_electronic = ELECTRONIC_STEPS if converged else int(incar["NELM"])
    defaults = {
        "NELM": 60, "ISPIN": 1, "NSW": 0, "IBRION": -1, "ISIF": 2, "EDIFF": 1e-4, "EDIFFG": -0.01,
        "LDAU": False, "LASPH": False, "IVDW": 0, "ISMEAR": 1, "SIGMA": 0.2, "PREC": "normal",
        "ALGO": "Normal", "LORBIT": 0,
        "LHFCALC": False, "LEPSILON": False, "LCHIMAG": False, "LNONCOLLINEAR": False,
        "LSORBIT": False, "NKRED": 1,
        "NELMDL": -5, "AEXX": 0.0, "LUSE_VDW": False, "IMIX": 4, "POTIM": 0.5, "GGA": "--", "METAGGA": "--",
    }  # fmt: skip
    parameters = {tag: incar.get(tag, value) for tag, value in defaults.items()}
    parameters |= {"ENMAX": incar["ENCUT"], "NBANDS": n_bands, "NELECT": float(n_electrons)}
    parameters |= {tag: incar[tag] for tag in ("LDAUL", "LDAUU", "LDAUJ", "LDAUTYPE") if tag in incar}
    xml = [
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n<generator>',
        '<i name="program" type="string">vasp</i><i name="version" type="string">6.4.3</i>',
        '<i name="subversion" type="string">test double</i><i name="platform" type="string">none</i>',
        '<i name="date" type="string">2026 01 01</i><i name="time" type="string">0</i></generator>\n<incar>',
        *(tag_xml(tag, value) for tag, value in incar.items()),
        '</incar>\n<kpoints><generation param="Gamma"><v type="int" name="divisions">',
        f'{" ".join(map(str, mesh))}</v><v name="usershift">0 0 0</v></generation>',
        varray("kpointlist", [[0, 0, 0]]) + varray("weights", [[1]]) + "</kpoints>\n<parameters>",
        *(tag_xml(tag, value) for tag, value in parameters.items()),
        f"</parameters>\n<atominfo><atoms>{len(end)}</atoms><types>{len(kinds)}</types>",
        '<array name="atoms"><set>',
        *(f"<rc><c>{symbol}</c><c>{kinds.index(symbol) + 1}</c></rc>" for symbol in symbols),
        '</set></array><array name="atomtypes"><set>',
        *(
            f"<rc><c>{symbols.count(kind)}</c><c>{kind}</c><c>1.0</c><c>{valence[kind]}</c><c>{title}</c></rc>"
            for kind, title in zip(kinds, titles, strict=True)
        ),
        "</set></array></atominfo>\n" + cell_xml(start, "initialpos"),
    ]
    for step, total in zip(steps, totals, strict=True):
        last = n_electronic - 1 if converged else n_electronic
        xml += [
            "<calculation>",
            *(
                f"<scstep>{energies_xml(total - d3 + (0.1 ** (k + 1) if k < last else 0))}</scstep>"
                for k in range(n_electronic)
            ),
            cell_xml(step) + varray("forces", np.zeros((len(step), 3))) + varray("stress", np.zeros((3, 3))),
            energies_xml(total) + '<time name="totalsc">1.0 1.0</time>',
            electrons_xml(n_bands, n_electrons, n_spins) if step is end else "",
            "</calculation>\n",
        ]
    xml.append(cell_xml(end, "finalpos") + "</modeling>\n")
    Path("vasprun.xml").write_text("".join(xml))
    Poscar(end).write_file("CONTCAR")
    Path("OSZICAR").write_text(oszicar(totals, n_electronic, n_spins))
    Path("OUTCAR").write_text(outcar(incar, symbols, totals, d3, n_electrons, n_bands, n_spins))


def electrons_xml(n_bands: int, n_electrons: float, n_spins: int) -> str:
    """Eigenvalues with a gap at one k point, and a density of states."""
    occupied = n_electrons / 2
    rows = "".join(
        f"<r>{-8.0 if b < occupied else 3.0} {1.0 if b < occupied else 0.0}</r>" for b in range(n_bands)
    )
    levels = "".join(
        f'<set comment="spin {s}"><set comment="kpoint 1">{rows}</set></set>' for s in range(1, n_spins + 1)
    )
    grid = "".join(f"<r>{-10 + 0.5 * g} {0.0 if 24 < g < 26 else 1.0} {g}</r>" for g in range(60))
    density = "".join(f'<set comment="spin {s}">{grid}</set>' for s in range(1, n_spins + 1))
    return (
        f"<eigenvalues><array><set>{levels}</set></array></eigenvalues>"
        f'<dos><i name="efermi">1.0</i><total><array><set>{density}</set></array></total></dos>'
    )


def oszicar(totals: list[float], n_electronic: int, n_spins: int) -> str:
    text = "       N       E                     dE             d eps       ncg     rms          rms(c)\n"
    for number, total in enumerate(totals, start=1):
        text += "".join(
            f"DAV: {k + 1:3d}    {total:.12E}   -0.10000E-01   -0.10000E-02   100   0.100E-01\n"
            for k in range(n_electronic)
        )
        text += f"{number:4d} F= {total:.8E} E0= {total:.8E}  d E =0.000000E+00  mag= {1.0 * n_spins:.4f}\n"
    return text


def outcar(incar, symbols, totals, d3, n_electrons, n_bands, n_spins) -> str:
    def table(title: str, values: list[float]) -> str:
        rows = "".join(
            f"{i + 1:5d}     0.100   0.200   {v:.3f}   {v + 0.3:.3f}\n" for i, v in enumerate(values)
        )
        rule = "-" * 50
        head = f"\n {title}\n\n# of ion       s       p       d       tot\n{rule}\n"
        return f"{head}{rows}{rule}\ntot          1.0  1.0 1.0 1.0\n\n"

    moments = [3.5 if symbol in ("Mn", "Co", "Fe") else 0.0 for symbol in symbols]
    steps = "".join(
        f"  Edisp (eV)  {d3:.5f}\n  free  energy   TOTEN  = {total:.8f} eV\n"
        f"  energy  without entropy= {total:.8f}  energy(sigma->0) = {total:.8f}\n"
        " total drift:                                0.000100      0.000000      0.000000\n"
        for total in totals
    )
    timing = {
        "Total CPU time used (sec)": 1.0, "User time (sec)": 1.0, "System time (sec)": 0.1,
        "Elapsed time (sec)": 1.0, "Maximum memory used (kb)": 1000.0, "Average memory used (kb)": 0.0,
    }  # fmt: skip
    return (
        " vasp.6.4.3 test double\n running on    1 total cores\n"
        f"   ISPIN  =      {n_spins}    spin polarized calculation?\n"
        f"   IBRION = {incar.get('IBRION')}    ionic relax\n"
        "   k-points           NKPTS =      1   k-points in BZ     NKDIM =      1   "
        f"number of bands    NBANDS= {n_bands}\n"
        "   dimension x,y,z NGX =    24 NGY =   24 NGZ =   24\n total plane-waves  NPLWV =  13824\n"
        f"   NELECT = {n_electrons:.4f}\n E-fermi :   1.0000     XC(G=0): -10.0     alpha+bet : -9.0\n"
        f" number of electron   {n_electrons:.7f} magnetization  {1.0 * n_spins:.7f}\n"
        + steps
        + " reached required accuracy - stopping structural energy minimisation\n"
        + table("total charge", [1.0] * len(symbols))
        + (table("magnetization (x)", moments) if n_spins == 2 else "")
        + "\n General timing and accounting informations for this job:\n ========================\n"
        + "".join(f"  {name}: {value:.3f}\n" for name, value in timing.items())
        + "  Voluntary context switches: 1\n"
    )


if __name__ == "__main__":
    main()
