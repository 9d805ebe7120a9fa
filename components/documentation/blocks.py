"""What a card is made of, before it is Markdown or HTML: sections of paragraphs, tables, lists and figures.

Both forms are rendered from the same blocks, so they say the same. Text in blocks is plain; the renderers escape it.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from components.validation.frame import html_page, html_table


class Code(str):
    """Text that is shown as code: a digest, a key."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A judgement: its words, and whether it is good, bad or open."""

    text: str
    colour: Literal["good", "bad", "open", "soft"]


Cell = str | Code | Mark


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; ``note`` makes it stand out."""

    text: str
    note: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; ``numbers`` are the columns that hold numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numbers: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing (SVG) of numbers that a table beside it holds too; Markdown does without."""

    svg: str
    caption: str
    legend: Sequence[tuple[str, str]] = ()  # colour class, words


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str


Block = Paragraph | Items | Table | Figure | Heading


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)


def to_markdown(title: str, lead: Sequence[Block], sections: Sequence[Section]) -> str:
    """The whole as Markdown (GitHub's tables)."""
    parts = [f"# {_plain(title)}", *filter(None, map(_markdown, lead))]
    for section in sections:
        parts += [f"## {_plain(section.title)}", *filter(None, map(_markdown, section.blocks))]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f"> **{_plain(block.text)}**" if block.note else _plain(block.text)
    if isinstance(block, Items):
        return "\n".join(f"- {_plain(item)}" for item in block.items)
    if isinstance(block, Heading):
        return f"### {_plain(block.text)}"
    if isinstance(block, Figure):
        return ""
    rule = ["---:" if index in block.numbers else "---" for index in range(len(block.head))]
    lines = [list(map(_plain, block.head)), rule, *([_markdown_cell(cell) for cell in row] for row in block.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _markdown_cell(cell: Cell) -> str:
    if isinstance(cell, Mark):
        return f"**{_plain(cell.text)}**" if cell.colour in {"bad", "open"} else _plain(cell.text)
    return f"`{cell.replace('`', '')}`" if isinstance(cell, Code) and cell else _plain(cell)


def _plain(text: str) -> str:
    """Text that can neither break a table nor bring markup along."""
    for old, new in (("\\", "\\\\"), ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "\\`")):
        text = text.replace(old, new)
    for sign in "*_[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def to_html(
    title: str, lang: Literal["en", "zh"], lead: Sequence[Block], sections: Sequence[Section], *, link: tuple[str, str]
) -> str:
    """The whole as one HTML document; ``link`` is the file of the other language and its name."""
    nav = f'<nav><a href="{html.escape(link[0])}">{html.escape(link[1])}</a></nav>'
    parts = [nav, f"<h1>{html.escape(title)}</h1>", *map(_html, lead)]
    for section in sections:
        parts += [f"<section>\n<h2>{html.escape(section.title)}</h2>", *map(_html, section.blocks), "</section>"]
    return html_page(title=title, lang=lang, body="\n".join(parts))


def _html(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f'<p class="note">{html.escape(block.text)}</p>' if block.note else f"<p>{html.escape(block.text)}</p>"
    if isinstance(block, Items):
        return "<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in block.items) + "</ul>"
    if isinstance(block, Heading):
        return f"<h3>{html.escape(block.text)}</h3>"
    if isinstance(block, Figure):
        legend = " &nbsp; ".join(f'<span class="{c}">■</span> {html.escape(words)}' for c, words in block.legend)
        return f"<figure><figcaption>{html.escape(block.caption)} {legend}</figcaption>{block.svg}</figure>"
    head = [html.escape(cell) for cell in block.head]
    return html_table(head, [[_html_cell(cell) for cell in row] for row in block.rows], numbers=block.numbers)


def _html_cell(cell: Cell) -> str:
    if isinstance(cell, Mark):
        return f'<span class="{cell.colour}">{html.escape(cell.text)}</span>'
    return f"<code>{html.escape(cell)}</code>" if isinstance(cell, Code) and cell else html.escape(cell)
