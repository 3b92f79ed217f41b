"""What a configuration makes a run cite."""

import re

from ionsieve.citations import bibtex, methods_of
from ionsieve.config import Config


def cited(**changes: object) -> list[str]:
    """Names of the entries for a configuration that differs from the defaults by these sections."""
    config = Config.model_validate(changes).model_dump(mode="json")
    return re.findall(r"^@\w+\{(\w+),", bibtex(methods_of(config), {}), re.MULTILINE)


def test_an_article_stands_once_with_those_that_go_with_it():
    names = cited()
    assert len(names) == len(set(names))
    assert {"ionsieve", "lightgbm", "nequip", "nequip_framework", "chgnet", "vasp", "dftd3"} <= set(names)
    assert not {"gpaw", "drxnet", "element_vectors"} & set(names)


def test_what_is_switched_on_is_cited():
    assert "gpaw" in cited(validation={"gpaw": True})
    assert {"drxnet", "element_vectors"} <= set(cited(discharge={"tests": [__file__]}))
    assert "nequip" not in cited(potential={"mode": "shared", "shared_calculator": "chgnet"})
