"""How a workflow script runs: log and errors.

Every script in ``workflow_scripts/`` ends in ``run(main, snakemake)``. A message that a user can act
on goes to the log and the terminal without a traceback; anything else leaves its traceback in the
log, where it can be found, and the job fails.
"""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ionsieve.errors import IonSieveError

# No space on the device, over the quota, over the largest file allowed.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Settings = TypeVar("Settings")


def run(main: Callable[[Any], None], snakemake: Any) -> None:
    """Run a script's ``main`` with Snakemake's job object; exits 1 on an error."""
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=log,
        filemode="w",
        level=logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
        force=True,
    )
    logging.captureWarnings(True)
    on_terminal = logging.StreamHandler()
    on_terminal.setLevel(logging.WARNING)
    on_terminal.setFormatter(logging.Formatter(f"ionsieve: {snakemake.rule}: %(message)s"))
    logging.getLogger("ionsieve").addHandler(on_terminal)
    try:
        main(snakemake)
    except IonSieveError as error:
        logging.error(str(error))
        sys.exit(f"ionsieve: {snakemake.rule}: {error}")
    except OSError as error:
        if error.errno not in NO_SPACE:
            _report_bug(snakemake, error, log)
        message = (
            f"no space to write ({os.strerror(error.errno)}): free some, or raise the quota, and run again"
        )
        logging.error(message)
        sys.exit(f"ionsieve: {snakemake.rule}: {message}; what was finished is kept")
    except Exception as error:
        _report_bug(snakemake, error, log)


def settings_from(params: Any, of: type[Settings], **others: Any) -> Settings:
    """Settings of a dataclass from a rule's parameters of the same names.

    Parameters
    ----------
    params : the job's, with one attribute per field.
    of : the dataclass.
    others : fields whose values are not parameters, or not these.
    """
    named = {field.name: getattr(params, field.name) for field in fields(of) if field.name not in others}  # type: ignore[arg-type]
    return of(**named, **others)


def _report_bug(snakemake: Any, error: Exception, log: Path) -> NoReturn:
    logging.error(traceback.format_exc())
    sys.exit(f"ionsieve: {snakemake.rule} failed: {type(error).__name__}: {error} (traceback in {log})")
