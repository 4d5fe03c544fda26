"""LaTeX of tables (booktabs) and of paragraphs, for a paper; what is typeset is what the page shows."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plasticity.report.page import NumberTable

HEAD = "% needs \\usepackage{booktabs}; bold: surely better than every other strategy\n"
SPECIAL = {
    "\\": "\\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "−": "$-$",
    "±": "$\\pm$",
    "Δ": "$\\Delta$",
    "‖": "$\\Vert$",
    "|": "\\textbar{}",
    "…": "\\dots{}",
    "≤": "$\\le$",
    "≥": "$\\ge$",
    "×": "$\\times$",
}
"""What LaTeX does not take as it is, and how it is written."""
NUMBER = re.compile(r"([-+]?[\d,]+(?:\.\d+)?)(?: ?± ?([\d,]+(?:\.\d+)?))?(.*)", re.DOTALL)
"""A mean, its interval where there is one, and what is said of it."""


def escaped(text: str) -> str:
    """Text that LaTeX prints as it stands; of two lines, one.

    Args:
        text: of anybody.
    """
    return "".join(SPECIAL.get(sign, sign) for sign in " ".join(text.split()))


def tabular(table: "NumberTable") -> str:
    r"""A table as `tabular`: words at the left, numbers at the right as mean $\pm$ interval, baselines below a rule.

    Args:
        table: as it is shown; `best` is bold.
    """
    sides = "l" * len(table.titles) if table.wordy else "l" + "r" * (len(table.titles) - 1)
    body, below = list[str](), False
    for i, (cells, baseline) in enumerate(table.lines):
        body += ["\\midrule"] * (baseline and not below and i > 0)
        below = baseline
        body.append(_row(_bold(_cell(c), (i, j) in table.best) for j, c in enumerate(cells)))
    lines = [
        f"\\begin{{tabular}}{{@{{}}{sides}@{{}}}}",
        "\\toprule",
        _row(map(escaped, table.titles)),
        "\\midrule",
        *body,
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return HEAD + "\n".join(lines) + "\n"


def paragraphs(texts: Sequence[str]) -> str:
    """Paragraphs of LaTeX.

    Args:
        texts: each one.
    """
    return "\n\n".join(map(escaped, texts)) + "\n"


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _bold(text: str, best: bool) -> str:
    return f"\\textbf{{\\boldmath {text}}}" if best else text


def _cell(text: str) -> str:
    """A number in math, so that its sign is a minus and its comma takes no room; "-" is a dash; words are escaped."""
    if text == "-":
        return "--"
    if not (found := NUMBER.fullmatch(text)) or re.match(r"[\w.]", found[3]):
        return escaped(text)
    mean, half, rest = found.groups()
    shown = f"{mean} \\pm {half}" if half else mean
    between = " " * rest.startswith(" ")
    return f"${shown.replace(',', '{,}')}${between}{escaped(rest)}"
