"""The jobflow flow of one candidate: three relaxations and the voltage that follows from them."""

import json
import uuid
from collections.abc import Mapping

from atomate2.vasp.jobs.core import RelaxMaker
from jobflow import Flow, Job, job
from monty.json import MontyEncoder

from ionsieve.electrochemistry import average_voltage
from ionsieve.validation.pair import Pair
from ionsieve.validation.vasp import IntercalationRelaxSetGenerator

# Any fixed namespace does: it only keeps these ids apart from those of other programs.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "ionsieve.validation")


@job
def voltage_from_energies(
    energy_discharged_eV: float,
    energy_charged_eV: float,
    energy_metal_eV: float,
    n_ions: int,
    working_ion: str,
) -> dict[str, float]:
    """Average voltage in V from the relaxed energies: hosts per cell, metal per atom."""
    voltage_V = average_voltage(energy_charged_eV, energy_metal_eV, energy_discharged_eV, n_ions, working_ion)
    return {"voltage_V": voltage_V}


def relaxation_maker(name: str, generator: IntercalationRelaxSetGenerator) -> RelaxMaker:
    """The atomate2 maker of one relaxation, of a flow or alone."""
    return RelaxMaker(name=name, input_set_generator=generator)


def voltage_flow(
    material_id: str,
    cells: Pair,
    working_ion: str,
    generators: Mapping[str, IntercalationRelaxSetGenerator],
) -> Flow:
    """Relaxations of the three cells and the voltage, ready to submit.

    Parameters
    ----------
    generators : input set generator of each role, ``discharged``, ``charged`` and ``metal``.

    Notes
    -----
    jobflow draws random ids; here they are derived from the content, so the same candidate and
    settings give the same file, and another structure or setting gives other ids in the job store.
    """
    relaxations = {}
    for role, generator in generators.items():
        maker = relaxation_maker(f"{material_id} {role}", generator)
        relaxations[role] = maker.make(getattr(cells, role))  # type: ignore[misc]  # jobflow's decorator is untyped
    key = _content(material_id, working_ion, relaxations)
    for role, relaxation in relaxations.items():
        relaxation.set_uuid(_stable_id(key, role))
    voltage = voltage_from_energies(
        relaxations["discharged"].output.output.energy,
        relaxations["charged"].output.output.energy,
        relaxations["metal"].output.output.energy_per_atom,
        cells.n_ions,
        working_ion,
    )
    voltage.set_uuid(_stable_id(key, "voltage"))
    jobs = [*relaxations.values(), voltage]
    return Flow(jobs, output=voltage.output, name=f"{material_id} voltage", uuid=_stable_id(key, "flow"))


def flow_json(flow: Flow) -> str:
    """The flow as JSON; ``json.load(..., cls=monty.json.MontyDecoder)`` gives it back."""
    return json.dumps(flow, cls=MontyEncoder, sort_keys=True, indent=1) + "\n"


def _content(material_id: str, working_ion: str, relaxations: Mapping[str, Job]) -> str:
    arguments = {
        role: (relaxation.function_args, relaxation.maker) for role, relaxation in relaxations.items()
    }
    return json.dumps([material_id, working_ion, arguments], cls=MontyEncoder, sort_keys=True)


def _stable_id(key: str, part: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{part}\n{key}"))
