"""Named, seeded splits of electrodes into training and held-out rows.

``paper``           the paper's protocol: 0.8 training, 0.1 validation, 0.1 test at random, stratified by
                    working ion. Frameworks fall on both sides: it measures interpolation. Each fold is
                    one more such split, of a seed of its own.
``framework``       K folds; all electrodes of one framework (host composition without the working ion)
                    are in one fold: it measures what a screening needs, voltages of hosts never seen.
``chemical_system`` K folds; all electrodes whose hosts hold the same elements are in one fold: hosts of
                    another stoichiometry no longer help either.
"""

from collections.abc import Sequence

import numpy as np
from pymatgen.core import Composition

from ionsieve.errors import DataError

PAPER = "paper"
FRAMEWORK = "framework"
CHEMICAL_SYSTEM = "chemical_system"
# Those of the voltage model itself, and those of the benchmark.
PROTOCOLS = (PAPER, FRAMEWORK)
BENCHMARK_PROTOCOLS = (*PROTOCOLS, CHEMICAL_SYSTEM)


def paper_split(working_ions: Sequence[str], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random 0.8 / 0.1 / 0.1, each ion in these shares as nearly as its count allows.

    Parameters
    ----------
    working_ions : symbol of each electrode's working ion, length S.

    Returns
    -------
    Sorted row indices of training, validation and test; together they are all rows, each once.

    Raises
    ------
    DataError : fewer than 10 electrodes, of which no tenth can be held out.
    """
    ions = np.asarray(working_ions)
    if len(ions) < 10:
        raise DataError(f"{len(ions)} electrodes cannot be split 0.8/0.1/0.1; at least 10 are needed")
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(ions))
    by_ion = shuffled[np.argsort(ions[shuffled], kind="stable")]
    # Of each ten rows in a row, which are of one ion but at its ends, one is for test and one for validation.
    runs_of_ten = -(-len(ions) // 10)
    places = np.concatenate([random.permutation(10) for _ in range(runs_of_ten)])[: len(ions)]
    test, validation, train = (
        np.sort(by_ion[places_taken]) for places_taken in (places == 0, places == 1, places > 1)
    )
    return train, validation, test


def chemical_systems(frameworks: Sequence[str]) -> np.ndarray:
    """Elements of each host, sorted and joined: "Mn-O" of the framework "Mn2O4"; shape (S,)."""
    formulas, formula_of_row = np.unique(np.asarray(frameworks), return_inverse=True)
    systems = [Composition(formula).chemical_system for formula in formulas.tolist()]
    return np.array(systems, dtype=object)[formula_of_row]


def groups(protocol: str, frameworks: Sequence[str]) -> np.ndarray:
    """The group of each electrode, shape (S,): what a protocol keeps together, and a bootstrap draws whole.

    The paper's protocol keeps nothing together; electrodes of one framework are much alike all the same.
    """
    return chemical_systems(frameworks) if protocol == CHEMICAL_SYSTEM else np.array(frameworks, dtype=object)


def framework_folds(frameworks: Sequence[str], n_folds: int, seed: int) -> np.ndarray:
    """Fold of each electrode, whole frameworks (or chemical systems) together and rows evenly spread.

    The largest frameworks are dealt first, each to the fold with the fewest rows; frameworks of the
    same size come in random order.

    Returns
    -------
    Fold numbers 0 ... n_folds - 1, shape (S,); no fold is empty.

    Raises
    ------
    DataError : fewer frameworks than folds.
    """
    names, group_of_row, sizes = np.unique(np.asarray(frameworks), return_inverse=True, return_counts=True)
    if len(names) < n_folds:
        raise DataError(
            f"{len(names)} frameworks or chemical systems cannot fill {n_folds} folds (voltage.folds);"
            " add electrodes or ask for fewer folds"
        )
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(names))
    largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    fold_of_group = np.empty(len(names), dtype=np.int64)
    rows_in_fold = np.zeros(n_folds, dtype=np.int64)
    for group in largest_first:
        fold = int(rows_in_fold.argmin())
        fold_of_group[group] = fold
        rows_in_fold[fold] += sizes[group]
    return fold_of_group[group_of_row]


def held_out_rows(
    protocol: str, fold: int, working_ions: Sequence[str], frameworks: Sequence[str], n_folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out rows of one fold of a protocol.

    The paper's validation rows are in neither: nothing is selected on them here, but the training
    share stays the paper's.

    Raises
    ------
    DataError : unknown protocol or fold, or too few electrodes for it.
    """
    if protocol == PAPER and fold >= 0:
        training, _, test = paper_split(working_ions, _paper_seed(seed, fold))
        return training, test
    if protocol in (FRAMEWORK, CHEMICAL_SYSTEM) and 0 <= fold < n_folds:
        folds = framework_folds(groups(protocol, frameworks).tolist(), n_folds, seed)
        return np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    raise DataError(
        f"there is no fold {fold} of protocol {protocol!r};"
        f" {PAPER} has folds 0, 1, 2 ..., {FRAMEWORK} and {CHEMICAL_SYSTEM} have 0 to {n_folds - 1}"
    )


def _paper_seed(seed: int, fold: int) -> int:
    """The seed of one random split; that of fold 0 is the seed itself."""
    return seed if fold == 0 else int(np.random.SeedSequence([seed, fold]).generate_state(1)[0])
