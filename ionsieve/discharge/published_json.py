"""Reader of the published DRXNet data set: one JSON document per test (figshare 25328578).

Known, from the code published with the model, which writes and reads such documents:

* ``composition``, atoms by element, and ``test_current(mA/g)``, ``low_voltage(V)``, ``high_voltage(V)``;
* ``discharge_list``: per cycle ``cycle_num``, ``V_std``, ``Q_std`` (``Q0_std``, ``dQdV_std`` are made anew
  here), points that are smoothed already, NaN in place of a list where the publishers' processing failed;
* ``discharge_info`` and ``charge_info``, raw: per cycle a pair of its number and ``Voltage(V)``,
  ``Capacity(mAh/g)``.

Known from a description of the data set by somebody else: ``electrode_mass(g)`` and ``active_mass(g)``.

Assumed, since the data set itself could not be seen: that a document has one of these layouts (the raw
profiles are taken where it has both), that ``charge_list`` is spelled like ``discharge_list``, and that
numbers without a unit in their name have the units above. Names are compared without case, spaces,
underscores and the unit; a unit that is written is converted. Other spellings of a name are in
:data:`SPELLINGS`.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ionsieve.discharge.cycling import (
    CHARGE,
    DISCHARGE,
    EXPERIMENT,
    CyclingError,
    CyclingTest,
    Profile,
    SetAside,
    are_cycles,
    at_another_rate,
    read_each,
)
from ionsieve.errors import DataError, first_line

COMPOSITION, RATE, LOW, HIGH = "composition", "test_current(mA/g)", "low_voltage(V)", "high_voltage(V)"
ACTIVE_MASS, ELECTRODE_MASS = "active_mass(g)", "electrode_mass(g)"
DISCHARGES, CHARGES = "discharge_list", "charge_list"
CYCLE, VOLTAGE, CAPACITY = "cycle_num", "V_std", "Q_std"
# By field: names without case, unit and punctuation; the first that is there is taken.
SPELLINGS = {
    COMPOSITION: ("composition", "formula"),
    RATE: ("testcurrent", "currentdensity", "currentrate", "rate", "current"),
    LOW: ("lowvoltage", "voltagelow", "vlow", "lowv"),
    HIGH: ("highvoltage", "voltagehigh", "vhigh", "highv"),
    ACTIVE_MASS: ("activemass", "activematerialmass"),
    ELECTRODE_MASS: ("electrodemass",),
    DISCHARGES: ("dischargeinfo", "dischargelist", "dischargeprofiles", "discharge"),
    CHARGES: ("chargeinfo", "chargelist", "chargeprofiles", "charge"),
    CYCLE: ("cyclenum", "cyclenumber", "cycleindex", "cycle"),
    VOLTAGE: ("voltage", "vstd", "v"),
    CAPACITY: ("capacity", "qstd", "q"),
}
# By field: how much of its first unit a unit is.
UNITS = {
    RATE: {"ma/g": 1.0, "mag-1": 1.0, "a/g": 1e3},
    LOW: {"v": 1.0, "mv": 1e-3},
    HIGH: {"v": 1.0, "mv": 1e-3},
    VOLTAGE: {"v": 1.0, "mv": 1e-3},
    CAPACITY: {"mah/g": 1.0, "mahg-1": 1.0, "ah/g": 1e3},
    ACTIVE_MASS: {"g": 1.0, "mg": 1e-3},
    ELECTRODE_MASS: {"g": 1.0, "mg": 1e-3},
}
MILLIGRAM_PER_G = 1e3


def read(path: Path) -> tuple[list[CyclingTest], list[SetAside]]:
    """The tests of a JSON file: one document, a list of documents, or documents by name.

    Raises
    ------
    DataError : the file cannot be read, is no JSON, or holds no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"is no JSON: {first_line(error)}") from error
    return read_each(_documents(content, path.stem), _test, path.name)


def _documents(content: object, stem: str) -> list[tuple[str, object]]:
    if isinstance(content, list):
        return [(f"{stem}-{number}", document) for number, document in enumerate(content, start=1)]
    if not isinstance(content, Mapping):
        raise DataError(f"holds {type(content).__name__}, not a JSON object per test")
    if _key(content, COMPOSITION) is None and any(
        isinstance(value, Mapping) and _key(value, COMPOSITION) is not None for value in content.values()
    ):
        return [(str(name), document) for name, document in content.items()]
    return [(stem, content)]


def _test(document: object, test_id: str, source: str) -> tuple[CyclingTest, list[SetAside]]:
    """A test with the cycles that have both voltages and capacities, and the others.

    Raises
    ------
    CyclingError : a field is missing, or is not what it should be.
    """
    if not isinstance(document, Mapping):
        raise CyclingError(f"a test is a JSON object, not {type(document).__name__}")
    missing = [field for field in (COMPOSITION, RATE, LOW, HIGH, DISCHARGES) if _key(document, field) is None]
    if missing:
        raise CyclingError(
            f"unknown layout: no {', '.join(missing)}; the keys are {_shown(document)}; looked for"
            f" {'; '.join(' or '.join(SPELLINGS[field]) for field in missing)} (any case, a unit in brackets)"
        )
    rate_mA_per_g = _number(document, RATE)
    profiles: list[Profile] = []
    set_aside = []
    for field, direction in ((DISCHARGES, DISCHARGE), (CHARGES, CHARGE)):
        key = _key(document, field)
        records = document[key] if key is not None else []
        if isinstance(records, Mapping):  # by cycle number
            records = list(records.items())
        if not isinstance(records, Sequence) or isinstance(records, str):
            if direction == CHARGE:  # nothing here needs charges
                continue
            raise CyclingError(f"{key} is {type(records).__name__}, must be a list with an entry per cycle")
        for number, record in enumerate(records, start=1):
            try:
                profiles.append(_profile(record, direction, rate_mA_per_g))
            except CyclingError as error:
                if direction == DISCHARGE:
                    reason = f"entry {number} of {key}: {error}"
                    set_aside.append(SetAside(source, test_id, None, reason, partly=True))
    test = CyclingTest(
        test_id=test_id,
        composition=_formula(document[_named(document, COMPOSITION)]),
        label=EXPERIMENT,
        rate_mA_per_g=rate_mA_per_g,
        voltage_low_V=_number(document, LOW),
        voltage_high_V=_number(document, HIGH),
        profiles=tuple(profiles),
        source=source,
        active_mass_mg=_mass_mg(document, ACTIVE_MASS),
        electrode_mass_mg=_mass_mg(document, ELECTRODE_MASS),
    )
    return test, set_aside


def _profile(record: object, direction: str, rate_mA_per_g: float) -> Profile:
    """One cycle: an object with its number in it, or a pair of the number and the object."""
    cycle: object = None
    if isinstance(record, Sequence) and not isinstance(record, str) and len(record) == 2:
        cycle, record = record
    if not isinstance(record, Mapping):
        raise CyclingError(f"a cycle is a JSON object, not {type(record).__name__}")
    missing = [field for field in (VOLTAGE, CAPACITY) if _key(record, field) is None]
    key = _key(record, CYCLE)
    if cycle is None and key is None:
        missing.append(CYCLE)
    if missing:
        raise CyclingError(f"no {', '.join(missing)}; the keys are {_shown(record)}")
    if cycle is None:
        cycle = record[key]
    try:
        number = float(cycle)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise CyclingError(f"cycle number {cycle!r} is no number") from error
    if not are_cycles(number):
        raise CyclingError(f"cycle number {cycle!r} is no whole number")
    key = _key(record, RATE)
    # A current without a unit, or not per gram, tells no rate.
    if key is not None and _written_unit(key) in UNITS[RATE]:
        own = _float(record[key]) * _unit(key, RATE)
        if at_another_rate(own, rate_mA_per_g):
            raise CyclingError(f"cycled at another rate: {own:.3g} mA/g, and the test at {rate_mA_per_g:.3g}")
    return Profile(int(number), _values(record, VOLTAGE), _values(record, CAPACITY), direction)


def _values(record: Mapping[str, Any], field: str) -> np.ndarray:
    """Numbers of one cycle, shape (P,); null and text become NaN, which the processing leaves out."""
    key = _named(record, field)
    values = record[key]
    items = values if isinstance(values, list) else [values]
    return np.array([_float(item) for item in items]) * _unit(key, field)


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _number(document: Mapping[str, Any], field: str) -> float:
    key = _named(document, field)
    value = _float(document[key])
    if not math.isfinite(value):
        raise CyclingError(f"{key} is {document[key]!r}, not a number")
    return value * _unit(key, field)


def _mass_mg(document: Mapping[str, Any], field: str) -> float | None:
    """A mass in mg; None where it is not given, or is 0 or less, as unknown masses are."""
    key = _key(document, field)
    mass_g = math.nan if key is None else _float(document[key]) * _unit(key, field)
    return mass_g * MILLIGRAM_PER_G if math.isfinite(mass_g) and mass_g > 0 else None


def _formula(composition: object) -> str:
    if not isinstance(composition, Mapping):
        return str(composition)
    amounts = {str(symbol): _float(amount) for symbol, amount in composition.items()}
    wrong = [symbol for symbol, amount in amounts.items() if not (math.isfinite(amount) and amount >= 0)]
    if wrong:
        raise CyclingError(f"composition has no amount, or a negative one, of {', '.join(wrong)}")
    return "".join(f"{symbol}{amount:.8f}" for symbol, amount in amounts.items() if amount > 0)


def _key(record: Mapping[str, Any], field: str) -> str | None:
    """The name under which a record has a field, or None."""
    plain = {_plain(str(key)): str(key) for key in reversed(list(record))}
    return next((plain[name] for name in SPELLINGS[field] if name in plain), None)


def _named(record: Mapping[str, Any], field: str) -> str:
    key = _key(record, field)
    if key is None:
        raise CyclingError(f"no {field}; the keys are {_shown(record)}")
    return key


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"[(\[].*", "", key.lower()))


def _unit(key: str, field: str) -> float:
    unit = _written_unit(key)
    if unit is None:
        return 1.0
    if unit not in UNITS[field]:
        raise CyclingError(f"unknown unit of {key}; known: {', '.join(UNITS[field])}")
    return UNITS[field][unit]


def _written_unit(key: str) -> str | None:
    """What stands in brackets, without case and spaces; None without brackets."""
    found = re.search(r"[(\[]([^)\]]*)[)\]]", key)
    return None if found is None else re.sub(r"[\s^{}]", "", found.group(1).lower())


def _shown(record: Mapping[str, Any]) -> str:
    keys = [str(key)[:40] for key in record]
    return ", ".join(keys[:12]) + (", ..." if len(keys) > 12 else "") if keys else "none"
