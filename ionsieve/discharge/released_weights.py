"""From the weights that DRXNet's authors released to an ensemble of ours.

A released file is a state dict, alone or wrapped as trainers do. Only what torch reads without running code
is read. The layers have names of their own there; sizes and order of the weights are the same.
"""

import pickle
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ionsieve.artifacts import digest, read_json
from ionsieve.discharge.ensemble import Ensemble, TrainingRanges, model_card
from ionsieve.discharge.network import PUBLISHED, Discharge
from ionsieve.errors import DataError, first_line
from ionsieve.model_search import CARD, STATE

PROVENANCE = (
    "converted from weights released with P. Zhong et al., Deep learning of experimental electrochemistry for"
    " battery cathodes across diverse compositions (2024), github.com/zhongpc/DRXNet"
)
LICENCE = "MIT (DRXNet)"
# The elements are those that the authors' preparation of the data knows (drxnet/data/processor.py): 14
# metals, O and F. Rates, windows and cycles are those of the open part of their data (figshare 25328578,
# 12,688 profiles) as a catalogue by others lists them; the paper itself shows 10 to 10,000 mA/g. The released
# batch norms saw rates of 764 mA/g on average with a standard deviation of 2,483, and cycles of 114 with 160:
# rates reached 8,800 at least, and cycles 340. Their compositions are in no list that is in reach: disordered
# rocksalts have one cation per anion, and the lithium is that of the map of figure 4 as it is drawn here
# (predictions.MAP_LITHIUM), from LiMO2 to Li1.4M0.6O2.
RELEASED_RANGES = TrainingRanges(
    elements=(
        *("Li", "Mg", "Al", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Zr", "Nb", "Mo", "W"),
        *("O", "F"),
    ),
    cations_per_anion=(1.0, 1.0),
    lithium_share=(0.5, 0.7),
    rate_mA_per_g=(5.0, 20000.0),
    voltage_low_V=(1.0, 2.5),
    voltage_high_V=(4.0, 5.0),
    cycle=(1.0, 891.0),
)
RANGES_SOURCE = (
    "elements: the authors' data/processor.py; rates, windows and cycles: a catalogue by others of the open"
    " part of the training data, figshare 25328578; cations per anion: that of a rocksalt; share of Li: that"
    " of the map of the paper's figure 4 as drawn here, since no list of the compositions was in reach"
)
# Our names of layers, and theirs.
_LAYERS = (
    (r"^composition\.embedding\.", "material_nn.embedding."),
    (r"^composition\.messages\.(\d+)\.heads\.(\d+)\.", r"material_nn.graphs.\1.pooling.\2."),
    (r"^composition\.pool\.heads\.(\d+)\.", r"material_nn.cry_pool.\1."),
    (r"\.(gate|message)\.0\.(\w+)$", r".\1_nn.fcs.0.\2"),
    (r"\.(gate|message)\.2\.(\w+)$", r".\1_nn.fc_out.\2"),
    (r"^(rate|cycle)_encoder\.out\.", r"\1_embedding.fc."),
    (r"^(rate|cycle)_encoder\.norm\.", r"\1_embedding.bn."),
    (r"^(rate|cycle)_encoder\.", r"\1_embedding."),
    (r"^(rate|cycle)_gate\.value\.", r"encode_\1.kernel."),
    (r"^(rate|cycle)_gate\.gate\.", r"encode_\1.attn."),
    (r"^(rate|cycle)_gate\.value_norm\.", r"encode_\1.bn."),
    (r"^(rate|cycle)_gate\.gate_norm\.", r"encode_\1.bn_attn."),
    (r"^fade\.", "delta_N."),
    (r"^window\.", "encode_voltage.fc_window."),
    (r"^voltage\.", "encode_voltage.fc_Vii."),
    (r"^mix\.", "encode_voltage.fc."),
    (r"^state\.", "add_voltage.hidden."),
    (r"^hidden\.", "fc.hidden."),
    (r"^out\.", "fc.fc."),
)
_LANDMARK = "material_nn.embedding.weight"
_NAMES_SHOWN = 3
# How the files begin that torch writes, today and before version 1.6.
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
# Of batch norm; nothing is computed from it, and old versions of torch do not write it.
_COUNTER = "num_batches_tracked"


def convert(files: Sequence[Path]) -> tuple[Ensemble, dict[str, Any]]:
    """The ensemble of some released files, one or more members each, and its card.

    Raises
    ------
    DataError : a file holds no such weights, or those that another file holds too.
    """
    members: list[Discharge] = []
    origins: list[Path] = []
    for file in files:
        for member in read_members(file):
            for other, origin in zip(members, origins, strict=True):
                if _same_weights(member, other):
                    raise DataError(
                        f"{file} holds the weights of {origin} again; equal members would make the spread"
                        " of the ensemble too small: name each once"
                    )
            members.append(member)
            origins.append(file)
    if not members:
        raise DataError("no files of weights; name some, such as DRXNet's pretrained/model_0")
    ensemble = Ensemble(tuple(members), RELEASED_RANGES)
    card = model_card(
        ensemble,
        label="experiment",
        data_digest=None,
        provenance=PROVENANCE,
        licence=LICENCE,
        converted_from=[{"file": file.name, "sha256": digest(file)} for file in origins],
        training_ranges_source=RANGES_SOURCE,
    )
    return ensemble, card


def check_target(folder: Path) -> None:
    """Raise DataError where a model lies that was trained, since converted weights would replace it."""
    if not (folder / STATE).exists():
        return
    try:
        is_converted = "converted_from" in read_json(folder / CARD)
    except (OSError, ValueError):
        is_converted = False
    if not is_converted:
        raise DataError(f"{folder} holds a model that was not converted; name another folder, or delete it")


def read_members(file: Path) -> list[Discharge]:
    """The networks in a file, ready to predict; nothing in it is executed.

    Raises
    ------
    DataError : it is missing, damaged, holds objects other than tensors and plain values, or other weights.
    """
    content = _read(file)
    try:
        found = list(_state_dicts(content, file))
    except RecursionError as error:
        raise DataError(
            f"{file} holds itself, or too much within each other; save a state dict alone"
        ) from error
    if not found:
        raise DataError(
            f"{file} holds no DRXNet weights: no {_LANDMARK!r} in it; give files such as DRXNet's"
            " pretrained/model_0"
        )
    return [_network(weights, file) for weights in found]


def _read(file: Path) -> object:
    if not file.is_file():
        raise DataError(f"{file} is no file; name files of weights, such as DRXNet's pretrained/model_0")
    try:
        with file.open("rb") as handle:
            start = handle.read(len(_ZIP))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    if not start.startswith((_ZIP, _PICKLE)):
        what = f"begins with {start!r}" if start else "is empty"
        raise DataError(
            f"{file} is no torch file: it {what}; give files such as DRXNet's pretrained/model_0, unpacked"
        )
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{file} holds more than tensors and plain values, or is damaged; reading it could run code, so"
            " it is refused. Where you trust it, save its model.state_dict() with torch.save and convert that"
        ) from error
    except Exception as error:  # a damaged file makes torch raise whatever it likes
        raise DataError(
            f"{file} is damaged or is no torch file ({type(error).__name__}: {first_line(error)})"
        ) from error


def _state_dicts(content: object, file: Path) -> Iterable[dict[str, Any]]:
    """The state dicts in a file, without the prefix that a wrapper gave all names."""
    if isinstance(content, list | tuple):
        for item in content:
            yield from _state_dicts(item, file)
    elif isinstance(content, Mapping):
        names = [name for name in content if isinstance(name, str)]
        if ends := [name for name in names if name.endswith(_LANDMARK)]:
            prefix = ends[0].removesuffix(_LANDMARK)
            yield {name.removeprefix(prefix): content[name] for name in names if name.startswith(prefix)}
            return
        inside = [weights for item in content.values() for weights in _state_dicts(item, file)]
        if len(inside) > 1:
            raise DataError(
                f"{file} holds {len(inside)} sets of DRXNet weights under different names, and which of them"
                " is the model is not told; save the one you mean alone"
            )
        yield from inside


def _network(weights: Mapping[str, Any], file: Path) -> Discharge:
    """The network with released weights."""
    network = Discharge(PUBLISHED)
    own = network.state_dict()
    theirs = {name: released_name(name) for name in own}
    missing = sorted(
        other for name, other in theirs.items() if other not in weights and not name.endswith(_COUNTER)
    )
    unexpected = sorted(set(weights) - set(theirs.values()))
    for names, what in ((missing, "lacks"), (unexpected, "has beside what the released network has")):
        if names:
            more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            raise DataError(
                f"{file}: the weights are of another network than the released one: it {what}"
                f" {', '.join(names[:_NAMES_SHOWN])}{more}"
            )
    converted = {}
    for name, weight in own.items():
        if theirs[name] not in weights:
            continue
        found = weights[theirs[name]]
        if not isinstance(found, torch.Tensor) or found.shape != weight.shape:
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise DataError(
                f"{file}: {theirs[name]} is of shape {shape}, and of {tuple(weight.shape)} in the released"
                " network: weights of another size"
            )
        if found.layout != torch.strided or found.is_quantized or found.is_meta or found.is_complex():
            raise DataError(
                f"{file}: {theirs[name]} is no plain tensor of real numbers; save the weights as such"
            )
        converted[name] = found.to(weight.dtype)
        if not torch.isfinite(converted[name]).all():
            raise DataError(f"{file}: {theirs[name]} holds what is no finite number; copy the file anew")
    network.load_state_dict(own | converted)
    return network.eval()


def _same_weights(first: Discharge, second: Discharge) -> bool:
    others = second.state_dict()
    return all(torch.equal(weight, others[name]) for name, weight in first.state_dict().items())


def released_name(name: str) -> str:
    """What the released implementation calls a weight of ours."""
    for ours, theirs in _LAYERS:
        name = re.sub(ours, theirs, name)
    return name
