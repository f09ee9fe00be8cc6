"""Charts as SVG inside the page: matplotlib draws them, the page's style sheet colours them.

A chart contains only numbers and dates of the facts, so there is nothing to escape.
"""

import io
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

# Placeholder colours, replaced by variables of the style sheet, so that charts have a light and a dark form.
_INK_NAMES = (
    "ink", "line", "first", "second",
    "unverifiable", "wrong", "held", "stale", "never-computed", "not-verified", "verified", "sealed", "no-facts",
)  # fmt: skip
_INKS = {name: f"#0{number:x}0{number:x}0{number:x}" for number, name in enumerate(_INK_NAMES, 1)}
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "eventflow-stats",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.edgecolor": _INKS["line"],
    "axes.labelcolor": _INKS["ink"],
    "xtick.color": _INKS["ink"],
    "ytick.color": _INKS["ink"],
    "text.color": _INKS["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_SIZE = (5.2, 2.5)
_DATES_SHOWN = 4


def stacked_bars(starts: Sequence[date], series: Mapping[str, Sequence[float]], inks: Mapping[str, str]) -> Markup:
    """Bars by period, the series stacked."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(starts)
        base = [0.0] * len(starts)
        for name, values in series.items():
            axes.bar(range(len(starts)), values, 0.8, bottom=base, color=_INKS[inks[name]], linewidth=0)
            base = [below + value for below, value in zip(base, values, strict=True)]
        return _svg(figure)


def paired_bars(starts: Sequence[date], series: Mapping[str, Sequence[float]], inks: Mapping[str, str]) -> Markup:
    """Bars by period, the series side by side."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(starts)
        width = 0.8 / len(series)
        for number, (name, values) in enumerate(series.items()):
            places = [place - 0.4 + width * (number + 0.5) for place in range(len(starts))]
            axes.bar(places, values, width, color=_INKS[inks[name]], linewidth=0)
        return _svg(figure)


def named_bars(names: Sequence[str], values: Sequence[float], ink: str) -> Markup:
    """One horizontal bar for each name."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        axes.barh(range(len(names)), values, 0.7, color=_INKS[ink], linewidth=0)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(_short))
        return _svg(figure)


def rate_line(starts: Sequence[date], rates: Sequence[float | None], goal: float | None) -> Markup:
    """A rate in percent by period, with gaps where there is none, and its goal as a dashed line."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes(starts)
        values = [float("nan") if rate is None else rate for rate in rates]
        axes.plot(range(len(starts)), values, color=_INKS["first"], marker="o", markersize=4, linewidth=1.8)
        if goal is not None:
            axes.axhline(goal, color=_INKS["ink"], linestyle=(0, (4, 3)), linewidth=1.2)
        axes.set_ylim(-3, 103)
        axes.set_yticks([0, 25, 50, 75, 100])
        return _svg(figure)


def _axes(starts: Sequence[date]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    step = max(1, -(-len(starts) // _DATES_SHOWN))
    shown = range(0, len(starts), step)
    axes.set_xticks(list(shown), [starts[place].isoformat() for place in shown])
    # The bar of a single day must not fill the chart.
    axes.set_xlim(-0.6, max(len(starts), 6) - 0.4)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(_short))
    axes.grid(axis="y", color=_INKS["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _short(value: float, _place: int) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


_numbers = iter(range(1, 1_000_000_000))


def _svg(figure: Figure) -> Markup:
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    drawn = file.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    # HTML needs no namespaces, and ids must be unique among the charts of a page.
    drawn = re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawn).replace("xlink:href", "href")
    mark = f"c{next(_numbers)}-"
    drawn = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{mark}", drawn)
    drawn = re.sub(r'(<svg )(?:width|height)="[^"]*" (?:width|height)="[^"]*"', r"\1", drawn, count=1)
    for name, ink in _INKS.items():
        drawn = drawn.replace(ink, f"var(--{name})")
    # Use the page's font, and the page's style sheet instead of the drawing's own.
    drawn = re.sub(r"font-family: [^;]*sans-serif;", "font-family: inherit;", drawn)
    drawn = re.sub(r"<style[^>]*>.*?</style>", "", drawn, flags=re.DOTALL)
    return Markup(drawn.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))  # noqa: S704 (matplotlib's)
