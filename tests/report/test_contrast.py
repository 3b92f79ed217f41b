"""Colours of the page and of its figures, by the contrast that WCAG 2 asks for."""

import re
from importlib.resources import files

import pytest

from ionsieve.report import figures
from ionsieve.report.crystal import ANION_COLOURS, CATION_COLOURS

STYLE = files("ionsieve.report").joinpath("style.css").read_text()


# Name, colour in the light theme, colour in the dark one.
COLOURS = re.findall(r"--(\w+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", STYLE)
LIGHT = {name: light for name, light, _ in COLOURS}
DARK = {name: dark for name, _, dark in COLOURS}


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_in_both_themes(colours):
    for ground in ("paper", "panel"):
        for text in ("ink", "soft", "accent", "good", "bad"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["ink"], colours["warn"]) >= 4.5


def test_every_colour_of_a_figure_stands_out_from_light_and_dark_panels():
    drawn = {*figures.SERIES, *(colour for colour, _ in figures.ION_STYLE.values()), figures.GREY}
    drawn |= {colour for colour, _ in figures.CLASS_STYLE.values()} | {*CATION_COLOURS, *ANION_COLOURS}
    for colour in drawn:
        assert contrast(colour, LIGHT["panel"]) >= 3, colour
        assert contrast(colour, DARK["panel"]) >= 3, colour


def test_ions_and_classes_differ_by_shape_where_they_share_a_colour():
    for styles in (figures.ION_STYLE, figures.CLASS_STYLE):
        assert len({*styles.values()}) == len(styles)
        assert len({symbol for _, symbol in styles.values()}) == len(styles)
