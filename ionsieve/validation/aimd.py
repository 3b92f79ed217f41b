"""Ab initio MD of the finalists: VASP's inputs, and what the results say beside MLMD when they are put back.

The paper's check of MLMD: NVT at 800 and 1500 K, 10 ps, in a supercell with the vacancies of MLMD. They are
drawn as for MLMD's first replica (:func:`ionsieve.transport.supercell.simulation_cell`), in a cell of its own
size. PBE, U, moments and D3 are those of the static tiers; Nose-Hoover thermostat, the Gamma point alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from ase import Atoms
from ase.data import atomic_numbers
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.vasp import Kpoints, Vasprun

from ionsieve.errors import CandidateFailed, DataError, first_line
from ionsieve.outcome import OK
from ionsieve.transport.analysis import NOT_KNOWN, displacements, transport_of
from ionsieve.transport.anisotropy import CrystalFrame
from ionsieve.transport.supercell import nearest_site_distance_A
from ionsieve.transport.trajectory import Trajectory
from ionsieve.validation.vasp import (
    D3_IVDW,
    IntercalationRelaxSetGenerator,
    VaspSettings,
    potcar_functional,
    potcar_symbols,
)

README = """\
Ab initio MD of {name} at {temperatures} K: NVT, {length_ps:g} ps in steps of {timestep_fs:g} fs.

One folder per temperature. POTCARs are licensed and not here; POTCAR.spec names them. With pymatgen's
PMG_VASP_PSP_DIR set, in each folder:

    pmg potcar -s $(cat POTCAR.spec) -f {functional}

vasp_gam serves: only the Gamma point is sampled. Put vasprun.xml (or vasprun.xml.gz) of each back to

    <validation.aimd_results>/{name}/<temperature>K/vasprun.xml

and the next run of the workflow compares them with MLMD.
"""


@dataclass(frozen=True)
class AimdSettings:
    """What the user may set; defaults and reasons are in ``config.yaml``.

    Attributes
    ----------
    temperatures_K : one run each.
    length_ps : of each run.
    timestep_fs : of the integrator.
    """

    temperatures_K: Sequence[float]
    length_ps: float
    timestep_fs: float


def aimd_inputs(name: str, cell: Atoms, settings: AimdSettings, vasp: VaspSettings) -> dict[str, str]:
    """Files of the runs by path: INCAR, POSCAR, KPOINTS and POTCAR.spec per temperature, and a README.

    Parameters
    ----------
    cell : the supercell, vacancies in it.

    Raises
    ------
    CandidateFailed : an element without PAW data.
    """
    structure: Structure = AseAtomsAdaptor.get_structure(cell, cls=Structure)
    potcar_symbols(structure.composition)
    files = {
        "README.txt": README.format(
            name=name,
            temperatures=", ".join(f"{kelvin:g}" for kelvin in settings.temperatures_K),
            length_ps=settings.length_ps,
            timestep_fs=settings.timestep_fs,
            functional=potcar_functional(),
        )
    }
    for kelvin in settings.temperatures_K:
        inputs = _generator(kelvin, settings, vasp).get_input_set(structure, potcar_spec=True)
        files |= {
            f"{kelvin:g}K/INCAR": str(inputs.incar),
            f"{kelvin:g}K/POSCAR": inputs.poscar.get_str(significant_figures=12),
            f"{kelvin:g}K/KPOINTS": str(inputs.kpoints),
            f"{kelvin:g}K/POTCAR.spec": "\n".join(inputs["POTCAR.spec"].splitlines()) + "\n",
        }
    return files


def _generator(
    temperature_K: float, settings: AimdSettings, vasp: VaspSettings
) -> IntercalationRelaxSetGenerator:
    return IntercalationRelaxSetGenerator(
        user_incar_settings={
            "GGA": "PE",
            "ENCUT": vasp.encut_eV,
            "PREC": "Normal",
            "LASPH": True,
            "LREAL": "Auto",
            "ALGO": "Fast",
            "EDIFF": 1e-5,
            "ISPIN": 2,
            "ISMEAR": 0,
            "SIGMA": 0.05,
            "IVDW": D3_IVDW[vasp.d3_damping],
            "ISYM": 0,
            "IBRION": 0,
            "ISIF": 2,
            "MDALGO": 2,
            "SMASS": 0,
            "TEBEG": temperature_K,
            "TEEND": temperature_K,
            "POTIM": settings.timestep_fs,
            "NSW": math.ceil(settings.length_ps * 1000 / settings.timestep_fs),
            "LWAVE": False,
            "LCHARG": False,
        },
        user_kpoints_settings=Kpoints.gamma_automatic((1, 1, 1)),  # type: ignore[arg-type]  # takes both
    )


def read_aimd(path: Path) -> tuple[Trajectory, float]:
    """Trajectory and temperature in K of a finished or stopped AIMD run.

    Raises
    ------
    DataError : it is not a vasprun.xml of MD, or has too few steps to say anything.
    """
    try:
        run = Vasprun(str(path), parse_dos=False, parse_eigen=False, parse_potcar_file=False)
        structures, parameters = run.structures, {**run.parameters, **run.incar}
        timestep_fs, temperature_K = float(parameters["POTIM"]), float(parameters["TEBEG"])
    except Exception as error:  # XML cut short, or anything else
        raise DataError(f"{path} cannot be read as VASP's output ({first_line(error)})") from error
    if parameters.get("IBRION") != 0 or len(structures) < 20:
        raise DataError(
            f"{path} is no MD run of 20 steps or more (IBRION = {parameters.get('IBRION')},"
            f" {len(structures)} steps): give the vasprun.xml of a whole run"
        )
    frac_coords = np.array([structure.frac_coords for structure in structures])
    # Between two steps no atom crosses half a cell: what seems to has crossed a face.
    jumps = np.diff(frac_coords, axis=0)
    frac_coords[1:] = frac_coords[0] + np.cumsum(jumps - np.round(jumps), axis=0)
    cells_A = np.array([structure.lattice.matrix for structure in structures])
    trajectory = Trajectory(
        times_ps=np.arange(len(structures)) * timestep_fs / 1000,
        positions_A=np.einsum("fni,fij->fnj", frac_coords, cells_A),
        cells_A=cells_A,
        numbers=np.array(structures[0].atomic_numbers),
        reference_frac_coords=frac_coords[0],
    )
    return trajectory, temperature_K


def analysed(path: Path, working_ion: str, crystal: Atoms) -> dict[str, Any]:
    """Diffusivity and conductivity of an AIMD run, by the analysis of MLMD.

    Parameters
    ----------
    crystal : the candidate, oriented as in the run.

    Returns
    -------
    The keys of :func:`ionsieve.transport.analysis.transport_of`, with ``temperature_K``, ``length_ps``, and
    ``status`` and ``reason`` as every stage has them.

    Raises
    ------
    DataError : the file is no such run.
    """
    trajectory, temperature_K = read_aimd(path)
    n_ions = int((trajectory.numbers == atomic_numbers[working_ion]).sum())
    hop_distance_A = nearest_site_distance_A(crystal, {atomic_numbers[working_ion]})
    found: dict[str, Any] = {"temperature_K": temperature_K, "length_ps": float(trajectory.times_ps[-1])}
    moved = displacements([trajectory], working_ion, hop_distance_A)
    try:
        found |= transport_of(
            moved,
            working_ion,
            temperature_K,
            n_ions,
            trajectory.volume_A3,
            hop_distance_A,
            CrystalFrame.of(crystal),
        )
    except CandidateFailed as failure:
        return {**found, **NOT_KNOWN, "status": failure.status, "reason": failure.reason}
    return {**found, "status": OK, "reason": None}


def compared(aimd: Sequence[Mapping[str, Any]], mlmd: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Diffusivity by AIMD and by MLMD at each temperature of either, and their ratio where both are values.

    Parameters
    ----------
    aimd, mlmd : results as :func:`ionsieve.transport.analysis.transport_of` gives them, with
        ``temperature_K`` and ``status``.

    Returns
    -------
    One row per temperature, coldest first; null for what is not there.
    """
    by_K = [{float(entry["temperature_K"]): entry for entry in results} for results in (aimd, mlmd)]
    rows = []
    for kelvin in sorted(by_K[0].keys() | by_K[1].keys()):
        row: dict[str, Any] = {"temperature_K": kelvin}
        for name, entries in zip(("aimd", "mlmd"), by_K, strict=True):
            entry = entries.get(kelvin, {})
            for bound in ("", "_low", "_high"):
                row[f"{name}_diffusivity{bound}_cm2_per_s"] = entry.get(f"diffusivity{bound}_cm2_per_s")
            row[f"{name}_kind"] = entry.get("conductivity_kind")
        first, second = row["aimd_diffusivity_cm2_per_s"], row["mlmd_diffusivity_cm2_per_s"]
        row["mlmd_over_aimd"] = second / first if first and second else None
        overlap = (
            first
            and second
            and (
                row["aimd_diffusivity_low_cm2_per_s"] <= row["mlmd_diffusivity_high_cm2_per_s"]
                and row["mlmd_diffusivity_low_cm2_per_s"] <= row["aimd_diffusivity_high_cm2_per_s"]
            )
        )
        row["intervals_overlap"] = bool(overlap) if first and second else None
        rows.append(row)
    return rows


def comparison_plot(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """Both diffusivities against the inverse temperature, as a page of HTML that opens offline."""
    figure = go.Figure(layout={"template": "simple_white", "title": f"{name}: ab initio MD and MLMD"})
    for kind, label in (("aimd", "ab initio MD"), ("mlmd", "MLMD")):
        shown = [row for row in rows if row[f"{kind}_diffusivity_cm2_per_s"]]
        values = [row[f"{kind}_diffusivity_cm2_per_s"] for row in shown]
        figure.add_scatter(
            x=[1000 / row["temperature_K"] for row in shown],
            y=values,
            error_y={
                "array": [
                    row[f"{kind}_diffusivity_high_cm2_per_s"] - row[f"{kind}_diffusivity_cm2_per_s"]
                    for row in shown
                ],
                "arrayminus": [
                    row[f"{kind}_diffusivity_cm2_per_s"] - row[f"{kind}_diffusivity_low_cm2_per_s"]
                    for row in shown
                ],
            },
            mode="markers",
            name=label,
        )
    figure.update_xaxes(title="1000 K / T")
    figure.update_yaxes(title="diffusivity, cm²/s", type="log", exponentformat="power")
    return figure.to_html(include_plotlyjs=True, div_id="comparison")
