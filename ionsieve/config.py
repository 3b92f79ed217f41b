"""The configuration: every key, its unit, its bounds, and what must hold between keys.

``config.yaml`` holds the defaults of this model with a comment at every key, and
``config.schema.json`` is its JSON schema for editors; a test fails when the three drift apart.
Unknown keys are refused, so that a typing error costs a second and not a night.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from ase.data import chemical_symbols
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ionsieve.data.formats import CRYSTAL_FORMATS, crystal_files, is_address
from ionsieve.data.vasp_files import NAMES, vasp_files
from ionsieve.errors import ConfigError
from ionsieve.ions import WORKING_IONS

DEMO_CANDIDATES = "Mg"  # ionsieve/data/demo holds electrodes of seven ions, candidates of this one

_CALCULATOR_NAME = r"^(chgnet|\w+(\.\w+)+)$"  # or an import path


def _calculator_name(name: str) -> str:
    if not re.fullmatch(_CALCULATOR_NAME, name):
        raise ValueError(
            f"{name!r} is no calculator; give chgnet, or the import path of an ASE calculator, as"
            " mace.calculators.mace_mp"
        )
    return name


# The pattern is for editors: pydantic's own answer to a name that breaks it is the pattern.
CalculatorName = Annotated[
    str, AfterValidator(_calculator_name), Field(json_schema_extra={"pattern": _CALCULATOR_NAME})
]

# What a column of a cycler's table can be; one of each kind is enough.
CyclerQuantity = Literal[
    "voltage_V",
    "voltage_mV",
    "time_s",
    "time_h",
    "current_A",
    "current_mA",
    "cycle",
    "discharge_capacity_Ah",
    "discharge_capacity_mAh",
    "discharge_capacity_mAh_per_g",
]

Source = Literal["demo", "files", "materials_project", "gnome"]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _refuse_braces(paths: Iterable[Path]) -> None:
    for path in paths:
        if "{" in str(path) or "}" in str(path):
            raise ValueError(f"{path}: Snakemake takes braces in file names for wildcards; rename the file")


class FilesConfig(_Section):
    """Where the `files` source reads from."""

    electrodes: list[Path] = Field(
        default=[], description="JSON Lines of insertion electrodes, or Parquet with this project's columns."
    )
    structures: list[Path] = Field(
        default=[],
        description="Structures: JSON Lines, Parquet, extxyz, CIF, or a folder of CIF files. Candidates are"
        " those with the working ion; the electrodes' structures are found here too.",
    )
    electrode_label_kind: str = Field(
        default="DFT (Materials Project)",
        description="What the electrode voltages are; shown wherever they are.",
    )
    licence: str = Field(default="unknown", description="Licence of these files; travels with every row.")


class MaterialsProjectConfig(_Section):
    """What the `materials_project` source asks for; the key is in MP_API_KEY or the client's settings."""

    ions: list[str] = Field(
        default=list(WORKING_IONS),
        min_length=1,
        description="Working ions whose insertion electrodes train the voltage model.",
    )
    thermo_type: Literal["GGA_GGA+U_R2SCAN", "GGA_GGA+U", "R2SCAN"] = Field(
        default="GGA_GGA+U_R2SCAN", description="Whose convex hull the candidates' distances refer to."
    )
    include_gnome: bool = Field(
        default=False,
        description="Take the GNoME entries of the Materials Project too: CC BY-NC 4.0, non-commercial.",
    )

    @field_validator("ions")
    @classmethod
    def _ions_are_known(cls, ions: list[str]) -> list[str]:
        strangers = sorted(set(ions) - set(WORKING_IONS))
        if strangers:
            raise ValueError(f"not working ions: {', '.join(strangers)}; choose of {', '.join(WORKING_IONS)}")
        return ions


class GnomeConfig(_Section):
    """Where the `gnome` source is, and which of its crystals are asked for. CC BY-NC 4.0, non-commercial."""

    location: str = Field(
        default="https://storage.googleapis.com/gdm_materials_discovery/gnome_data",
        description="Address, or a folder of yours, of stable_materials_summary.csv and by_id.zip.",
    )
    max_formation_energy_eV_per_atom: float = Field(
        default=0.0, description="Crystals with this formation energy or more are left out (paper: 0)."
    )


class MptrjConfig(_Section):
    """Relaxation frames of the Materials Project (MPtrj, CC BY 4.0), for potential.mode `shared`."""

    location: str | None = Field(
        default=None,
        description="Path or address of the MPtrj JSON; its sampled frames then train the shared potential.",
    )
    elements: list[str] = Field(
        default=[], description="Only crystals made of nothing but these elements; empty: all."
    )

    @field_validator("elements")
    @classmethod
    def _elements_are_known(cls, elements: list[str]) -> list[str]:
        strangers = sorted(set(elements) - set(chemical_symbols[1:]))
        if strangers:
            raise ValueError(f"not chemical symbols: {', '.join(strangers)}; write them like Mg, O")
        return elements

    @field_validator("location")
    @classmethod
    def _location_exists(cls, location: str | None) -> str | None:
        if location and not is_address(location) and not Path(location).is_file():
            raise ValueError(
                f"{location} is neither an http(s) address nor a file (seen from {Path.cwd()}); mend it"
            )
        _refuse_braces([Path(location or "")])
        return location


def _expanded(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from crystal_files(path) if path.is_dir() else [path]


class DataConfig(_Section):
    """Which crystals go in."""

    sources: list[Source] = Field(
        default=["demo"], min_length=1, description="Where electrodes and candidates come from; earlier wins."
    )
    files: FilesConfig = Field(default=FilesConfig(), description="Paths of the `files` source.")
    materials_project: MaterialsProjectConfig = Field(
        default=MaterialsProjectConfig(), description="What the `materials_project` source asks for."
    )
    gnome: GnomeConfig = Field(default=GnomeConfig(), description="What the `gnome` source asks for.")
    mptrj: MptrjConfig = Field(default=MptrjConfig(), description="Relaxation frames of the MPtrj data set.")
    vasp_outputs: list[Path] = Field(
        default=[], description="Folders with vasprun.xml files of yours, as frames for the shared potential."
    )
    max_energy_above_hull_eV_per_atom: NotNegative = Field(
        default=0.15,
        description="Candidates further above the convex hull are left out; unknown ones pass, flagged.",
    )
    max_sites: int = Field(default=200, ge=1, description="Candidates with more sites per cell are left out.")
    shards: int = Field(
        default=4, ge=1, le=4096, description="Buckets of candidates, by a hash of their id; one job each."
    )

    @field_validator("vasp_outputs")
    @classmethod
    def _runs_are_there(cls, folders: list[Path]) -> list[Path]:
        for folder in folders:
            runs = vasp_files([folder])
            if not runs:
                raise ValueError(
                    f"{folder} holds no {' or '.join(NAMES)} (seen from {Path.cwd()}); mend the path"
                )
            _refuse_braces(runs)
        return folders

    @field_validator("sources")
    @classmethod
    def _each_source_once(cls, sources: list[Source]) -> list[Source]:
        if len(set(sources)) != len(sources):
            raise ValueError("a source is listed twice; list each once")
        return sources

    @model_validator(mode="after")
    def _files_exist(self) -> "DataConfig":
        # Folders may hold tens of thousands of files: they are walked through once.
        found = {path: list(_expanded([path])) for path in [*self.files.electrodes, *self.files.structures]}
        if "files" in self.sources:
            if not self.files.structures:
                raise ValueError(
                    "files.structures is empty, but the source `files` needs it; list at least one path"
                )
            for path, files in found.items():
                if not path.exists():
                    raise ValueError(
                        f"{path} does not exist (seen from {Path.cwd()}); mend the path under data.files"
                    )
                if not files:
                    raise ValueError(f"{path} holds no structure file; known: {CRYSTAL_FORMATS}")
        for files in found.values():
            _refuse_braces(files)
        return self

    @model_validator(mode="after")
    def _something_gives_electrodes(self) -> "DataConfig":
        giving = {"demo", "materials_project", *(["files"] if self.files.electrodes else [])}
        if giving.isdisjoint(self.sources):
            raise ValueError(
                f"sources [{', '.join(self.sources)}] give no electrodes for the voltage model to learn from;"
                " give files.electrodes, or add the source materials_project or demo"
            )
        return self


VoltageModelName = Literal[
    "ion_mean", "composition_gbm", "cgcnn_all_atoms", "cgcnn", "ionsieve", "ionsieve_chgnet"
]


class BenchmarkConfig(_Section):
    """What `snakemake voltage_benchmark` compares, on the same folds for all."""

    models: list[VoltageModelName] = Field(
        default=list(get_args(VoltageModelName)),
        min_length=1,
        description="Models to compare; those with chgnet use an energy model's knowledge and an hour more.",
    )
    protocols: list[Literal["paper", "framework", "chemical_system"]] = Field(
        default=["paper", "framework", "chemical_system"],
        min_length=1,
        description="How electrodes are split: at random, by host composition, by the host's elements.",
    )
    paper_seeds: int = Field(default=10, ge=1, le=100, description="Random splits of the paper's protocol.")
    trainings: int = Field(
        default=2,
        ge=1,
        le=20,
        description="Trainings of each network on each grouped fold, from other initial weights; the mean of"
        " their voltages is scored beside one alone.",
    )


class VoltageConfig(_Section):
    """The voltage model and its ensemble."""

    model: Literal["ionsieve", "cgcnn"] = Field(
        default="ionsieve",
        description="`ionsieve`: ions pooled in the context of their host, with boosted trees;"
        " `cgcnn`: the paper's network.",
    )
    folds: int = Field(default=5, ge=3, le=20, description="Framework folds; one ensemble member each.")
    epochs: int = Field(default=120, ge=1, description="Passes over the training electrodes.")
    batch_size: int = Field(default=32, ge=1, description="Electrodes per optimiser step.")
    learning_rate: Positive = Field(default=2e-3, description="Peak learning rate of AdamW.")
    weight_decay: NotNegative = Field(default=1e-4, description="Weight decay of AdamW.")
    atom_features: int = Field(default=64, ge=4, description="Width of the atom vectors (paper: 64).")
    convolutions: int = Field(default=3, ge=1, le=8, description="Gated convolutions (paper: 3).")
    hidden_features: int = Field(default=128, ge=4, description="Width of the layer after pooling.")
    cutoff_A: float = Field(
        default=8.0, ge=3.0, le=12.0, description="Neighbours are looked for within (paper: 8)."
    )
    max_neighbors: int = Field(default=12, ge=1, description="Nearest neighbours kept per atom (paper: 12).")
    coverage: Fraction = Field(
        default=0.9, description="Share of true voltages that the interval shall hold."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where networks train and predict; auto: on CUDA where there is any."
    )
    interpretation: bool = Field(
        default=True, description="Train one more network, on random atom inputs, to show what it learns."
    )
    benchmark: BenchmarkConfig = Field(
        default_factory=BenchmarkConfig, description="What `snakemake voltage_benchmark` compares."
    )


class CompositionConfig(_Section):
    """Voltages from formulas alone; folds, coverage and epochs are those of the voltage model."""

    random_splits: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Random splits, a tenth held out, of `snakemake composition_benchmark` and the audit.",
    )
    benchmark: bool = Field(
        default=False,
        description="Run `composition_benchmark` and `leakage_audit` for the report, too.",
    )


def _cycler_files(paths: Iterable[Path]) -> list[Path]:
    if not paths:
        return []
    # Only runs with tests pay for the readers' imports.
    from ionsieve.discharge.reading import CELL_SUFFIXES, SUFFIXES

    files: set[Path] = set()
    for path in paths:
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.is_file())
            files.update(file for file in inside if file.name.endswith((*SUFFIXES, *CELL_SUFFIXES)))
        else:
            stems = {path.stem, path.name.split(".")[0]}
            cells = (path.with_name(stem + suffix) for stem in stems for suffix in CELL_SUFFIXES)
            files.update([path, *(cell for cell in cells if cell.is_file())])
    return sorted(files)


class CellConfig(_Section):
    """What a cycler's table does not tell of its cell."""

    composition: str = Field(description="Formula of the active material, as synthesised.")
    active_mass_mg: Positive = Field(description="Mass of the active material.")
    voltage_low_V: NotNegative = Field(description="Where discharges end.")
    voltage_high_V: Positive = Field(description="Where discharges start.")
    rate_mA_per_g: Positive | None = Field(
        default=None, description="Current per mass of active material; null: from the measured current."
    )
    electrode_mass_mg: Positive | None = Field(default=None, description="With carbon and binder.")
    test_id: str | None = Field(default=None, description="Name of the test; null: the file's.")
    label: Literal["experiment", "synthetic"] = Field(
        default="experiment", description="What the numbers are; shown wherever they are."
    )
    columns: dict[CyclerQuantity, str] = Field(
        default={},
        description="The file's column by quantity; those of the Battery Data Format need no mention.",
    )


class DischargeConfig(_Section):
    """Discharge curves of real cells; nothing of it runs by itself without tests or a model."""

    tests: list[Path] = Field(
        default=[],
        description="Cycling tests to learn from, files or folders: JSON as DRXNet publishes it, its point"
        " table, or cyclers' CSV.",
    )
    cells: dict[str, CellConfig] = Field(
        default={}, description="By file name, for cyclers' tables without a YAML file beside them."
    )
    configuration: Literal["ionsieve", "paper", "published"] = Field(
        default="ionsieve",
        description="The network that is trained: as released (`published`), as printed (`paper`), or with"
        " the fixes that pay.",
    )
    members: int = Field(default=5, ge=1, le=50, description="Of the ensemble (paper: 5).")
    epochs: int = Field(default=30, ge=1, description="Passes over the points, at least (paper: 30).")
    least_steps: int = Field(
        default=1000,
        ge=1,
        description="Steps of the optimiser, at least: data sets of few points are read in smaller batches"
        " and more often.",
    )
    model: Path | None = Field(
        default=None,
        description="Folder of a ready model, as `ionsieve discharge-convert` makes; predictions then need"
        " no training.",
    )
    forecast_tests: int = Field(
        default=3, ge=0, description="Tests, those with the most cycles, whose later cycles are forecast."
    )
    transfer: bool = Field(
        default=False, description="Run the experiment on synthetic cells for the report, too."
    )
    compositions: list[str] = Field(
        default=["Li1.2Mn0.4Ti0.4O2", "Li1.1Mn0.8Ti0.1O1.9F0.1", "Li1.333Mn0.667O2"],
        min_length=1,
        max_length=6,
        description="Compositions whose curves the report draws.",
    )
    rates_mA_per_g: list[Positive] = Field(
        default=[20.0, 100.0, 1000.0],
        min_length=1,
        max_length=6,
        description="Rates of those curves; all else is at the first.",
    )
    voltage_low_V: NotNegative = Field(default=1.5, description="Where those discharges end.")
    voltage_high_V: Positive = Field(default=4.8, description="Where those discharges start.")
    last_cycle: int = Field(default=30, ge=2, le=10_000, description="Last cycle of the report's curves.")
    high_entropy_step: float = Field(
        default=0.1,
        json_schema_extra={"enum": [0.2, 0.1, 0.05]},
        description="Grid of the metals' amounts, per two anions, among high-entropy compositions: 0.2 gives"
        " 26 of them, 0.1 1,210, 0.05 47,819.",
    )

    @field_validator("tests")
    @classmethod
    def _tests_exist(cls, paths: list[Path]) -> list[Path]:
        for path in paths:
            if not path.exists():
                raise ValueError(f"{path} does not exist (seen from {Path.cwd()}); mend the path")
        _refuse_braces([*paths, *_cycler_files(paths)])
        return paths

    @field_validator("model")
    @classmethod
    def _model_is_there(cls, folder: Path | None) -> Path | None:
        if folder is None:
            return None
        if missing := [name for name in ("state.pt", "card.json") if not (folder / name).is_file()]:
            raise ValueError(
                f"{folder} (seen from {Path.cwd()}) lacks {' and '.join(missing)}; make a model with"
                " `ionsieve discharge-convert`, or name the folder of one"
            )
        _refuse_braces([folder])
        return folder

    @field_validator("high_entropy_step")
    @classmethod
    def _step_divides(cls, step: float) -> float:
        if step not in (0.2, 0.1, 0.05):
            raise ValueError(
                f"{step} is none of 0.2, 0.1 and 0.05, which divide the amounts of an enumeration"
            )
        return step

    @field_validator("rates_mA_per_g", "compositions")
    @classmethod
    def _each_once(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) != len(values):
            raise ValueError("a value is listed twice; list each once")
        return values

    @model_validator(mode="after")
    def _discharge_goes_down(self) -> "DischargeConfig":
        if self.voltage_low_V >= self.voltage_high_V:
            raise ValueError(
                f"voltage_low_V {self.voltage_low_V} is not below voltage_high_V {self.voltage_high_V}"
            )
        return self

    @model_validator(mode="after")
    def _cells_have_files(self) -> "DischargeConfig":
        known = {path.name for path in _cycler_files(self.tests)}
        if strangers := sorted(set(self.cells) - known):
            raise ValueError(
                f"cells names {', '.join(strangers)}, which is not among the files of tests; found:"
                f" {', '.join(sorted(known)) or 'none'}"
            )
        return self


class ScreenConfig(_Section):
    """The funnel's thresholds. Capacities are those of the discharged cell."""

    min_voltage_V: float = Field(default=3.0, gt=-5, lt=8, description="Lower voltage limit (paper: 3.0).")
    max_voltage_V: float = Field(
        default=6.0, gt=-5, lt=10, description="Upper limit, set by the electrolyte."
    )
    min_voltage_probability: Fraction | None = Field(
        default=None,
        description="If given, asks for this probability that the voltage lies between the two limits, in"
        " place of a predicted voltage between them.",
    )
    min_capacity_vol_Ah_per_L: NotNegative = Field(
        default=800.0, description="Full extraction, per volume (paper: 800)."
    )
    min_capacity_grav_mAh_per_g: NotNegative = Field(default=0.0, description="Full extraction, per mass.")
    min_redox_capacity_vol_Ah_per_L: NotNegative = Field(
        default=0.0, description="Capacity that the metals' redox couples can release, per volume."
    )
    min_energy_density_Wh_per_kg: NotNegative = Field(default=0.0, description="Voltage times full capacity.")
    exclude_elements: list[str] = Field(
        default=["Tc", "Pm", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Pa", "Np", "Pu", "Th", "U"],
        description="Candidates with one of these elements are left out.",
    )
    max_candidates: int = Field(default=4, ge=1, description="Length of the shortlist that goes on to MD.")
    controls: list[str] = Field(
        default=["demo-MgSc2Se4-spinel", "demo-MgO-rocksalt"],
        description="material_ids that go through MD whatever the funnel says, as references; never ranked.",
    )

    @model_validator(mode="after")
    def _window_is_open(self) -> "ScreenConfig":
        if self.min_voltage_V >= self.max_voltage_V:
            raise ValueError(
                f"min_voltage_V {self.min_voltage_V} is not below max_voltage_V {self.max_voltage_V}: "
                "no candidate could pass; open the window"
            )
        return self


class PotentialConfig(_Section):
    """The machine-learned potential that drives MD."""

    mode: Literal["teacher", "shared"] = Field(
        default="teacher",
        description="`teacher`: one NequIP per candidate, distilled from the teacher; `shared`: one NequIP"
        " for all, from your frames or ready.",
    )
    preset: Literal["small", "paper", "paper_1o"] = Field(
        default="small",
        description="NequIP size: `paper` literally, `paper_1o` with odd vectors, `small` for a laptop.",
    )
    epochs: int = Field(default=20, ge=1, description="Passes over the training frames (paper: 38).")
    batch_size: int = Field(default=1, ge=1, description="Frames per optimiser step (paper: 32).")
    learning_rate: Positive = Field(
        default=2e-2, description="Of Adam at the start, decaying to zero (paper: 2e-3)."
    )
    zbl: bool = Field(
        default=True,
        description="Add the ZBL core repulsion where atoms overlap; it keeps weak models from collapsing.",
    )
    devices: int = Field(
        default=1,
        ge=1,
        description="GPUs of one machine that share each batch in training; `small` trains on one core.",
    )
    compile: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Compile the potential for MD: `auto` where the planned MD is long enough to pay for it"
        " and there is a C++ compiler.",
    )
    teacher: CalculatorName = Field(
        default="chgnet",
        description="`chgnet`, or the import path of an ASE calculator, as mace.calculators.mace_mp.",
    )
    teacher_arguments: dict[str, Any] = Field(
        default={}, description="Keyword arguments of the teacher's class or function."
    )
    dft_frames: list[Path] = Field(
        default=[],
        description="extxyz with DFT energies and forces, hot and with vacancies: how soft is the teacher?",
    )
    teacher_frames: int = Field(
        default=80, ge=10, description="Frames that the teacher labels, for each candidate."
    )
    teacher_temperature_K: Annotated[float, Field(gt=0, le=5000)] = Field(
        default=1200.0, description="Of the teacher's hot frames; no MD may be hotter."
    )
    max_force_mae_eV_per_A: Positive = Field(
        default=0.3, description="Gate: with a larger error on held-out trajectories no MD is run."
    )
    refinement_rounds: int = Field(
        default=0,
        ge=0,
        le=10,
        description="Rounds in which short MD of the potential finds frames for the teacher to label, and the"
        " potential is trained anew; 0: none.",
    )
    refinement_frames: int = Field(
        default=20, ge=1, description="Most frames that the teacher labels in one round, for each candidate."
    )
    refinement_max_disagreement_eV_per_A: Positive = Field(
        default=0.3,
        description="A frame is labelled when a committee differs by more on the force on one of its atoms.",
    )
    shared_frames: list[Path] = Field(
        default=[], description="extxyz with energy, forces (and stress) to train on."
    )
    shared_model: Path | None = Field(
        default=None,
        description="A ready NequIP checkpoint, package (.nequip.zip) or compiled model (.nequip.pt2); then"
        " nothing is trained.",
    )
    shared_calculator: CalculatorName | None = Field(
        default=None,
        description="An ASE calculator that drives MD itself, named like a teacher; nothing is trained.",
    )
    shared_calculator_arguments: dict[str, Any] = Field(
        default={}, description="Keyword arguments of that calculator."
    )

    @model_validator(mode="after")
    def _given_files_exist(self) -> "PotentialConfig":
        if self.shared_model and self.shared_calculator:
            raise ValueError(
                f"shared_model {self.shared_model} and shared_calculator {self.shared_calculator} are both"
                " given, but only one can drive MD: take one out"
            )
        given = self.dft_frames
        if self.mode == "shared":
            given = [*self.shared_frames, *([self.shared_model] if self.shared_model else [])]
        for path in given:
            if not path.exists():
                raise ValueError(
                    f"{path} does not exist (seen from {Path.cwd()}); mend the path under potential"
                )
        return self


class TransportConfig(_Section):
    """Molecular dynamics and what is read from it."""

    temperatures_K: list[Annotated[float, Field(gt=0, le=5000)]] = Field(
        default=[1200.0],
        min_length=1,
        description="One MD run each (paper: 1200, Arrhenius 800, 1000, 1200, 1500).",
    )
    min_atoms: int = Field(
        default=100,
        ge=8,
        le=1500,
        description="Smallest supercell (paper: 512); looking for one takes as its square.",
    )
    vacancy_fraction: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.2, description="Share of working ions removed, as neutral vacancies (paper: one fifth)."
    )
    replicas: int = Field(
        default=1,
        ge=1,
        le=100,
        description="MD runs at each temperature, each with its own vacancies and velocities; pooled.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="Where MD computes; `auto`: a GPU where the job sees one, if the preset is not `small`.",
    )
    timestep_fs: Annotated[float, Field(gt=0, le=5)] = Field(default=2.0, description="Integration step.")
    npt_ps: Positive = Field(default=1.0, description="Length of the NPT run that sets the cell (paper: 10).")
    nvt_ps: Positive = Field(default=6.0, description="Length of the NVT run that is analysed (paper: 50).")
    thermostat_fs: Positive = Field(default=100.0, description="Relaxation time of the thermostat.")
    barostat_fs: Positive = Field(default=1000.0, description="Relaxation time of the barostat.")
    npt_cell: Literal["isotropic", "full"] = Field(
        default="isotropic",
        description="What NPT changes: the volume, or all of the cell (npt_ps of several barostat_fs then).",
    )
    pressure_GPa: float = Field(default=0.0, ge=-10, le=100, description="Target pressure of NPT.")
    frame_interval_fs: Positive = Field(default=20.0, description="Time between stored frames.")
    checkpoint_ps: Positive = Field(
        default=0.5, description="Simulated time between checkpoints, from which a killed run goes on."
    )
    min_conductivity_mS_per_cm: NotNegative = Field(
        default=100.0,
        description="What a candidate must reach at the highest temperature (paper: 100 at 1200 K).",
    )
    max_temperature_factor: float = Field(
        default=2.0, gt=1, description="Guard: MD stops when T exceeds this multiple of its target."
    )
    max_volume_change: Positive = Field(
        default=0.5, description="Guard: MD stops when the volume changes by more than this share."
    )
    max_shape_change: Positive = Field(
        default=0.3,
        description="Guard: MD stops when the cell's shape, volume apart, changes by more (npt_cell: full).",
    )
    min_distance_A: Positive = Field(default=0.8, description="Guard: MD stops when two atoms come closer.")
    migration_images: int = Field(
        default=0,
        ge=0,
        le=31,
        description="Images of the nudged elastic bands that find barriers of single hops; 0: none are run.",
    )

    @field_validator("temperatures_K")
    @classmethod
    def _each_temperature_once(cls, temperatures_K: list[float]) -> list[float]:
        if len(set(temperatures_K)) != len(temperatures_K):
            raise ValueError("a temperature is listed twice; list each once")
        return sorted(temperatures_K)

    @model_validator(mode="after")
    def _frames_fit_in_run(self) -> "TransportConfig":
        if self.frame_interval_fs < self.timestep_fs:
            raise ValueError(
                f"frame_interval_fs {self.frame_interval_fs} is below timestep_fs {self.timestep_fs}"
            )
        if self.nvt_ps * 1000 < 20 * self.frame_interval_fs:
            raise ValueError(
                f"nvt_ps {self.nvt_ps} holds fewer than 20 frames of {self.frame_interval_fs} fs: "
                "too few for an MSD"
            )
        return self


class ValidationConfig(_Section):
    """First-principles validation of the finalists."""

    enabled: bool = Field(
        default=True, description="Write VASP inputs (PBE+U, D3) for every shortlisted candidate."
    )
    encut_eV: Positive = Field(default=520.0, description="Plane-wave cutoff (paper: 520).")
    kspacing_per_A: Positive = Field(default=0.2, description="VASP's KSPACING, Gamma-centred (paper: 0.2).")
    ediff_eV: Positive = Field(default=1e-6, description="Electronic convergence (paper: 1e-6).")
    max_force_eV_per_A: Positive = Field(
        default=0.01, description="Ionic convergence, -EDIFFG (paper: 0.01)."
    )
    d3_damping: Literal["zero", "bj"] = Field(
        default="zero", description="D3 damping (paper: zero, IVDW = 11)."
    )
    universal_potential: CalculatorName | None = Field(
        default="chgnet",
        description="Relaxes every finalist, charged and discharged: `chgnet`, or the import path of an ASE"
        " calculator like potential.teacher; null: no such tier.",
    )
    universal_potential_arguments: dict[str, Any] = Field(
        default={}, description="Keyword arguments of that calculator's class or function."
    )
    partial_states: list[Fraction] = Field(
        default=[],
        description="Contents of the working ion between charged (0) and discharged (1), for voltage curves.",
    )
    partial_states_by: Literal["electrostatics", "universal_potential"] = Field(
        default="electrostatics",
        description="Who says which ions stay: point charges, or the potential among their lowest five.",
    )
    hull_entries: Literal["materials_project"] | Path | None = Field(
        default=None,
        description="Phases that a charged host may fall apart into: `materials_project` asks for them, with"
        " your key; or a JSON list of pymatgen ComputedEntry with the same corrections; null: not looked at."
        " Compared with energies of CHGNet alone, which carry these corrections.",
    )
    gpaw: bool = Field(
        default=False,
        description="Compute voltages with GPAW, a free DFT, in the cells of the universal potential.",
    )
    gpaw_cutoff_eV: Positive = Field(default=400.0, description="Plane-wave cutoff of GPAW's energies.")
    gpaw_kspacing_per_A: Positive = Field(default=0.3, description="As VASP's KSPACING, for GPAW.")
    vasp: Literal["prepare", "run"] = Field(
        default="prepare",
        description="`prepare` writes VASP's inputs; `run` runs them too, with VASP_CMD and your POTCARs.",
    )
    vasp_cores: int = Field(default=16, ge=1, description="Cores of each VASP run; its VASP_CORES.")
    vasp_folder: Path = Field(
        default=Path("vasp_runs"),
        description="Where VASP runs, POTCARs beside it while it does; a folder that all nodes see.",
    )
    aimd: bool = Field(
        default=False, description="Write VASP inputs of ab initio MD, vacancies and all, for every finalist."
    )
    aimd_temperatures_K: list[Positive] = Field(
        default=[800.0, 1500.0], min_length=1, description="Temperatures of ab initio MD (paper: 800, 1500)."
    )
    aimd_ps: Positive = Field(default=10.0, description="Length of each ab initio run (paper: 10).")
    aimd_min_atoms: int = Field(default=100, ge=1, le=1500, description="Smallest supercell of ab initio MD.")
    aimd_results: Path | None = Field(
        default=None,
        description="Folder of {material_id}/{temperature}K/vasprun.xml (or .gz), to compare with MLMD.",
    )

    @field_validator("partial_states")
    @classmethod
    def _each_content_once(cls, contents: list[float]) -> list[float]:
        if len(set(contents)) != len(contents):
            raise ValueError("a content is listed twice; list each once")
        return sorted(contents)

    @field_validator("hull_entries")
    @classmethod
    def _hull_entries_exist(cls, path: str | Path | None) -> str | Path | None:
        if isinstance(path, Path):
            if not path.is_file():
                raise ValueError(f"{path} is neither materials_project nor a file (seen from {Path.cwd()})")
            _refuse_braces([path])
        return path

    @field_validator("aimd_results")
    @classmethod
    def _results_are_there(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_dir():
            raise ValueError(
                f"{folder} is not a folder (seen from {Path.cwd()}); mend the path, or leave it out"
            )
        _refuse_braces([folder or Path()])
        return folder

    @model_validator(mode="after")
    def _dearer_tiers_are_enabled(self) -> "ValidationConfig":
        asked = {"gpaw": self.gpaw, "vasp: run": self.vasp == "run", "aimd": self.aimd}
        if not self.enabled and any(asked.values()):
            names = ", ".join(name for name, is_asked in asked.items() if is_asked)
            raise ValueError(
                f"enabled is false, but {names} asks for it: set enabled to true, or leave that out"
            )
        return self

    @model_validator(mode="after")
    def _gpaw_has_cells(self) -> "ValidationConfig":
        if self.gpaw and self.universal_potential is None:
            raise ValueError(
                "gpaw is true, but universal_potential null: GPAW computes in the cells that it relaxes;"
                " name one, as chgnet"
            )
        return self


class Config(_Section):
    """The whole configuration."""

    working_ion: str = Field(default="Mg", description="The ion that moves: " + ", ".join(WORKING_IONS) + ".")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of everything random.")
    data: DataConfig = DataConfig()
    voltage: VoltageConfig = VoltageConfig()
    composition: CompositionConfig = CompositionConfig()
    discharge: DischargeConfig = DischargeConfig()
    screen: ScreenConfig = ScreenConfig()
    potential: PotentialConfig = PotentialConfig()
    transport: TransportConfig = TransportConfig()
    validation: ValidationConfig = ValidationConfig()

    @field_validator("working_ion")
    @classmethod
    def _ion_is_known(cls, symbol: str) -> str:
        if symbol not in WORKING_IONS:
            raise ValueError(f"{symbol!r} is not a working ion; choose one of {', '.join(WORKING_IONS)}")
        return symbol

    @model_validator(mode="after")
    def _something_can_pass(self) -> "Config":
        if self.working_ion in self.screen.exclude_elements:
            raise ValueError(
                f"screen.exclude_elements lists the working ion {self.working_ion}: no candidate could pass; "
                "take it out"
            )
        if self.data.sources == ["demo"] and self.working_ion != DEMO_CANDIDATES:
            raise ValueError(
                f"the demo set has {DEMO_CANDIDATES} candidates only, and working_ion is {self.working_ion}: "
                "add the source `files` with structures of your own"
            )
        return self

    @model_validator(mode="after")
    def _refinement_has_a_teacher(self) -> "Config":
        if self.potential.refinement_rounds and self.potential.mode == "shared":
            raise ValueError(
                f"potential.refinement_rounds is {self.potential.refinement_rounds}, but in mode `shared` no"
                " teacher labels frames: set it to 0, or use mode `teacher`"
            )
        return self

    @model_validator(mode="after")
    def _shared_mode_has_input(self) -> "Config":
        ready = self.potential.shared_model or self.potential.shared_calculator
        own = self.potential.shared_frames or ready
        sampled = self.data.mptrj.location or self.data.vasp_outputs
        if self.potential.mode == "shared" and not (own or sampled):
            raise ValueError(
                "potential.mode `shared` needs potential.shared_frames, shared_model or shared_calculator, or"
                " data.mptrj.location or data.vasp_outputs; give one, or use mode `teacher`"
            )
        if self.data.mptrj.location and self.data.vasp_outputs:
            raise ValueError(
                "data.mptrj and data.vasp_outputs are both given, but MPtrj's energies carry the Materials"
                " Project's corrections and VASP's do not: one potential cannot learn both; give one of them"
            )
        return self

    @model_validator(mode="after")
    def _potential_knows_the_hottest_run(self) -> "Config":
        hottest_K, taught_K = max(self.transport.temperatures_K), self.potential.teacher_temperature_K
        if self.potential.mode == "teacher" and hottest_K > taught_K:
            raise ValueError(
                f"transport.temperatures_K reaches {hottest_K:g} K, but the teacher's frames only "
                f"{taught_K:g} K: raise potential.teacher_temperature_K"
            )
        return self


def load(values: Mapping[str, Any]) -> Config:
    """The checked configuration from the mapping that YAML or Snakemake gives.

    Raises
    ------
    ConfigError : one message that names every wrong key, the value got and what is allowed.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None


def to_yaml(config: Config) -> str:
    """The configuration as YAML, every key with the value in force."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def json_schema() -> str:
    """The JSON schema for editors, as text."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def structure_files(config: Config) -> list[str]:
    """The files behind ``data.files.structures``, folders expanded: what their source depends on.

    A folder compares by date only, which misses changes; its files compare by content.
    """
    return [str(path) for path in _expanded(config.data.files.structures)]


def cycler_files(config: Config) -> list[str]:
    """The files behind ``discharge.tests``, folders expanded, with the YAML files about their cells."""
    return [str(path) for path in _cycler_files(config.discharge.tests)]


def _explain(error: ValidationError) -> str:
    lines = ["the configuration has mistakes:"]
    for mistake in error.errors(include_url=False):
        key = ".".join(str(part) for part in mistake["loc"]) or "config"
        message = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            message = f"no such key; known here: {', '.join(_known_keys(mistake['loc'][:-1]))}"
            lines.append(f"  {key}: {message}")
        elif mistake["type"] == "value_error":
            lines.append(f"  {key}: {message}")
        else:
            lines.append(f"  {key}: got {mistake['input']!r}. {message}")
    return "\n".join(lines)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    parts = iter(location)
    for part in parts:
        annotation = model.model_fields[str(part)].annotation
        if get_origin(annotation) is dict:  # what follows is a key of the user's
            next(parts, None)
            annotation = get_args(annotation)[1]
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
