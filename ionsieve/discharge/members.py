"""Trained members between the jobs that train them and the one that makes a model of them."""

from pathlib import Path

from ionsieve.discharge.network import SETTINGS, Discharge, configuration_of
from ionsieve.discharge.training import Member
from ionsieve.errors import DataError
from ionsieve.voltage.state_files import load_state, save_state

MEMBER = "ionsieve discharge member 1"


def settings_name(network: Discharge) -> str:
    """The configuration of a network, by name.

    Raises
    ------
    DataError : its settings are none of those with a name.
    """
    name = configuration_of(network.settings)
    if name is None:
        raise DataError(f"the settings {network.settings} have no name; use one of {', '.join(SETTINGS)}")
    return name


def save_member(path: Path | str, member: Member) -> None:
    """Write a member: its configuration's name, weights, seed and losses."""
    state = {
        "configuration": settings_name(member.network),
        "network": dict(member.network.state_dict()),
        "seed": member.seed,
        "losses": list(member.epoch_losses),
    }
    save_state(path, MEMBER, state)


def load_member(path: Path | str) -> Member:
    """Read what :func:`save_member` wrote; raises DataError for any other file."""
    state = load_state(path, MEMBER)
    network = Discharge(SETTINGS[state["configuration"]])
    network.load_state_dict(state["network"])
    network.eval()
    return Member(network, state["seed"], tuple(state["losses"]))
