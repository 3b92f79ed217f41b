"""`ionsieve discharge-convert`: its arguments and what it does with them."""

from pathlib import Path
from typing import Annotated

import typer

from ionsieve.command.output import mistakes_told, silence_libraries, tell
from ionsieve.errors import IonSieveError
from ionsieve.plurals import noun

EXAMPLES = """
Example, with a checkout of DRXNet beside:

    ionsieve discharge-convert ../DRXNet/drxnet/pretrained/model_* --out models/drxnet
"""


def discharge_convert(
    weights: Annotated[
        list[Path],
        typer.Argument(metavar="WEIGHTS", help="Released files of weights, a member of the ensemble each."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder of the model.", show_default=False)
    ],
) -> None:
    """Make a model for `ionsieve discharge` of the weights that DRXNet's authors released.

    The files are read without running what they may hold. The exit status is 0, or 2 if a file cannot be
    used.
    """
    with mistakes_told():
        _run(weights, out)


def _run(weights: list[Path], out: Path) -> None:
    from ionsieve.discharge.released_weights import check_target, convert

    if out.exists() and not out.is_dir():
        raise IonSieveError(f"--out {out} is no folder; name one")
    check_target(out)
    silence_libraries()
    ensemble, card = convert(weights)
    ensemble.save(out, card)
    count = len(ensemble.members)
    tell(f"{out}: {count} {noun(count, 'member')}; {card['provenance']}; licence: {card['licence']}")
