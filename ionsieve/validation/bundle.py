"""One zip per candidate: VASP inputs of the three cells without POTCARs, and the flow that runs them."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymatgen.core import Structure

from ionsieve.electrochemistry import redox_limited_ions
from ionsieve.validation.flow import flow_json, voltage_flow
from ionsieve.validation.pair import intercalation_pair
from ionsieve.validation.vasp import (
    IntercalationRelaxSetGenerator,
    VaspSettings,
    hubbard_u,
    input_set_generator,
    potcar_functional,
    potcar_symbols,
)

ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold

README = """\
VASP inputs of one intercalation cathode: discharged, charged (all {ion} removed) and {ion} metal.

POTCARs are licensed and not here; POTCAR.spec names them. With pymatgen's PMG_VASP_PSP_DIR set:

    pmg potcar -s <symbols of POTCAR.spec> -f {functional}

The same three relaxations as an atomate2 flow, followed by the average voltage:

    import json
    from jobflow import run_locally
    from monty.json import MontyDecoder
    flow = json.load(open("flow.json"), cls=MontyDecoder)
    run_locally(flow, create_folders=True)

or submit the flow with jobflow-remote or FireWorks. ionsieve must be installed where it runs. The
start is ferromagnetic with the Materials Project's moments; other orderings may lie lower.
"""


@dataclass(frozen=True)
class PreparedValidation:
    """What ``prepare`` made.

    Attributes
    ----------
    archive : bytes of the zip.
    summary : what validation.json says beside its status.
    """

    archive: bytes
    summary: dict[str, Any]


def prepare(
    material_id: str, structure: Structure, working_ion: str, settings: VaspSettings
) -> PreparedValidation:
    """Build a candidate's flow and inputs.

    Raises
    ------
    CandidateFailed : no working ion, no host without it, or an element without PAW data.
    """
    cells = intercalation_pair(structure, working_ion)
    symbols = potcar_symbols(structure.composition)
    host = input_set_generator(settings, metal=False)
    generators = {
        "discharged": host,
        "charged": host,
        "metal": input_set_generator(settings, metal=True),
    }
    files = {
        "README.txt": README.format(ion=working_ion, functional=potcar_functional()),
        "flow.json": flow_json(voltage_flow(material_id, cells, working_ion, generators)),
    }
    for role, generator in generators.items():
        for name, text in _input_files(generator, getattr(cells, role)).items():
            files[f"{role}/{name}"] = text
    summary = {
        "state": "prepared",
        "formula": structure.composition.reduced_formula,
        "n_ions": cells.n_ions,
        "structure_digest": cells.digest,
        "n_atoms": {role: len(getattr(cells, role)) for role in generators},
        "hubbard_u_eV": hubbard_u(structure.composition),
        "potcar_functional": potcar_functional(),
        "potcar_symbols": symbols,
        "d3_damping": settings.d3_damping,
        # Made all the same, since the start is by element; what comes of it deserves a look.
        "charged_beyond_oxidation_states": redox_limited_ions(structure.composition, working_ion)
        < cells.n_ions - 1e-6,
    }
    return PreparedValidation(archive=text_archive(files, folder=material_id), summary=summary)


def _input_files(generator: IntercalationRelaxSetGenerator, structure: Structure) -> dict[str, str]:
    """INCAR, POSCAR and POTCAR.spec; with KSPACING in the INCAR there is no KPOINTS file."""
    inputs = generator.get_input_set(structure, potcar_spec=True)
    return {
        "INCAR": str(inputs.incar),
        "POSCAR": inputs.poscar.get_str(significant_figures=12),
        "POTCAR.spec": "\n".join(inputs["POTCAR.spec"].splitlines()) + "\n",
    }


def text_archive(files: Mapping[str, str], folder: str) -> bytes:
    """A zip of text files in one folder; the same texts give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{folder}/{name}", date_time=ZIP_DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return buffer.getvalue()
