"""The databases that can be pulled, by the name of their source."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ionsieve.data import gnome, materials_project
from ionsieve.data.records import Written, refresh

DATABASES = {"materials_project": materials_project, "gnome": gnome}


def pull_database(folder: Path, asked: Mapping[str, Any]) -> Written:
    """Pull the database that ``folder`` is called after into it (:func:`ionsieve.data.records.refresh`).

    Parameters
    ----------
    folder : the source's raw tables.
    asked : values for the database's ``Query``; others are ignored.
    """
    database = DATABASES[folder.name]
    query = database.Query(**{field.name: asked[field.name] for field in fields(database.Query)})
    return refresh(lambda cache: database.pull(query, cache), folder)
