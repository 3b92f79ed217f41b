"""Colours of the page and of its figures, by the contrast that WCAG 2 asks for."""

import re
from importlib.resources import files

import pytest

from ionsieve.report import figures
from ionsieve.report.crystal import ANION_COLOURS, CATION_COLOURS

STYLE = files("ionsieve.report").joinpath("style.css").read_text()


def theme(selector: str) -> dict[str, str]:
    """Colours by name, of the first block of a selector."""
    block = STYLE.split(f"{selector} {{", 1)[1].split("}", 1)[0]
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))


LIGHT, DARK = theme("\n:root"), theme('\n:root[data-theme="dark"]')


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


def test_both_dark_themes_are_the_same():
    assert theme('  :root:not([data-theme="light"])') == DARK


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
