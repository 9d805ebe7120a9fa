"""The frame of every page about data: one file, no script, nothing fetched, readable in both languages and in the dark.

The content security policy forbids what the page does not need, so that a mistake cannot make it fetch anything.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Literal

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #fff; --pane: #f6f8fa;
  --good: #116329; --bad: #a40e26; --open: #7d4e00; --one: #0969da; --two: #8c959f; --three: #cf222e; --four: #1a7f37 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --paper: #0d1117;
  --pane: #151b23; --good: #3fb950; --bad: #ff7b72; --open: #d29922; --one: #4493f8; --two: #7d8590; --three: #f85149;
  --four: #2ea043 } }
* { box-sizing: border-box }
body { font: 15px/1.55 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; margin: 0 auto;
  padding: 2rem 1.25rem 4rem; max-width: 62rem; color: var(--ink); background: var(--paper) }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem } p { margin: .5rem 0 } a { color: var(--one) }
nav { color: var(--soft); margin-bottom: 1.4rem } .soft { color: var(--soft) }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
td, th { padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; text-align: left }
th { font-weight: 600; color: var(--soft) } .n { text-align: right; font-variant-numeric: tabular-nums }
code { font: .86em ui-monospace, monospace; overflow-wrap: anywhere }
.good { color: var(--good) } .bad { color: var(--bad); font-weight: 600 } .open { color: var(--open); font-weight: 600 }
.note { border-left: 4px solid var(--open); background: var(--pane); padding: .6rem .9rem; margin: .8rem 0 }
.verdict { display: inline-block; border: 1px solid currentColor; border-radius: .4rem; padding: .1rem .6rem }
figure { margin: .8rem 0; padding: .8rem; background: var(--pane); border-radius: .4rem; max-width: 44rem }
figcaption { color: var(--soft); font-size: .9em; margin-bottom: .4rem }
svg { width: 100%; height: auto; display: block }
svg text { font: 11px system-ui, "Noto Sans CJK SC", sans-serif; fill: var(--ink) } svg text.v { fill: var(--soft) }
.c1 { fill: var(--one) } .c2 { fill: var(--two) } .c3 { fill: var(--three) } .c4 { fill: var(--four) }
.k1 { color: var(--one) } .k2 { color: var(--two) } .k3 { color: var(--three) } .k4 { color: var(--four) }
@media print { body { max-width: none; padding: 0 } h2 { break-after: avoid } figure, tr { break-inside: avoid } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def html_page(*, title: str, lang: Literal["en", "zh"], body: str, style: str = STYLE) -> str:
    """One whole HTML document; ``body`` is markup already, and ``style`` a style sheet."""
    name = {"en": "en", "zh": "zh-CN"}[lang]
    return (
        f'<!doctype html>\n<html lang="{name}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """A table of markup cells; columns listed in ``numbers`` are aligned to the right."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="n">{value}</{tag}>' if index in numbers else f"<{tag}>{value}</{tag}>"
            for index, value in enumerate(values)
        )

    lines = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    top = f"<thead><tr>{cells('th', head)}</tr></thead>"
    return f'<div class="scroll"><table>{top}\n<tbody>\n{lines}\n</tbody></table></div>'
