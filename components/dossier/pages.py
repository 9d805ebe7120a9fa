"""Facts to pages: the index, the compliance page, the threat model, and Markdown documents as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from components.documentation.blocks import to_html
from components.documentation.words import Lang
from components.dossier.compliance import Framework, Support, frameworks
from components.dossier.facts import DossierFacts
from components.dossier.threats import threat_model
from components.dossier.words import WORDS
from components.release.approvals import Decision, is_expired
from components.release.verify import Check
from components.validation.frame import html_page, html_table

DATA_FILES = ("card.html", "card.zh.html", "card.md", "card.zh.md", "croissant.json", "facts.json")
_BOM = "ml-bom.cdx.json"
_MARKS = {"ok": ("✓", "good"), "failed": ("✗", "bad"), "ignored": ("–", "soft")}


def index_page(facts: DossierFacts, lang: Lang) -> str:
    """Decision, digests, approvals, every check, and the way to each document."""
    words = WORDS[lang]
    promoted = facts.promoted
    title = f"{promoted.name} v{promoted.version}"
    parts = [
        _section(words["summary"], html_table(["", ""], list(_summary(facts, lang)))),
        _section(words["documents"], html_table([words["document"], words["shows"]], list(_documents(facts, lang)))),
        _section(words["approvals"], _approvals(facts, lang)),
        _section(words["checks"], html_table(["", words["check"], words["found"]], list(_checks(facts.tree.checks)))),
        _section(words["limits"], f"<p>{html.escape(words['limits_text'])}</p>"),
    ]
    return _page("index", f"{words['index_title']}: {title}", lang, f"<p>{html.escape(words['lead'])}</p>", parts)


def compliance_page(facts: DossierFacts, lang: Lang) -> str:
    """Both frameworks: what each clause asks for and what supports it; what is unknown is an empty, marked row."""
    words = WORDS[lang]
    parts = [_framework(framework, facts, lang) for framework in frameworks()]
    lead = f'<p class="note">{html.escape(words["compliance_lead"])}</p>'
    return _page("compliance", words["compliance"], lang, lead, parts)


def threat_page(_: DossierFacts, lang: Lang) -> str:
    """Who is trusted with what; what is prevented, what only detected, what neither."""
    model, words = threat_model(), WORDS[lang]
    link = (_file("threat-model", _other(lang)), words["other"])
    page = to_html(model.title[lang], lang, model.lead(lang), model.sections(lang), link=link)
    return page.replace("<nav>", f"<nav>{_link(_file('index', lang), words['index'])} · ", 1)


def markdown_page(name: str, text: str, lang: Lang) -> str:
    """A document that was written as Markdown; raw HTML in it stays text."""
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])
    body = renderer.render(text).replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    return html_page(title=WORDS[lang][name], lang=lang, body=_navigation(name, lang) + body)


def _page(name: str, title: str, lang: Lang, lead: str, parts: Iterable[str]) -> str:
    body = "\n".join([_navigation(name, lang), f"<h1>{html.escape(title)}</h1>", lead, *parts])
    return html_page(title=title, lang=lang, body=body)


def _navigation(name: str, lang: Lang) -> str:
    words = WORDS[lang]
    index = "" if name == "index" else f"{_link(_file('index', lang), words['index'])} · "
    return f"<nav>{index}{_link(_file(name, _other(lang)), words['other'])}</nav>\n"


def _summary(facts: DossierFacts, lang: Lang) -> Iterable[list[str]]:
    words, promoted = WORDS[lang], facts.promoted
    counted = len([gate for gate in facts.verdict.gates if gate.decision == "pass"])
    decision = (
        f"{words[facts.verdict.decision]} ({words['gates_passed'].format(n=counted, all=len(facts.verdict.gates))})"
    )
    colour = "good" if facts.verdict.passed else "open"
    yield [words["model"], f"{html.escape(promoted.name)} v{html.escape(promoted.version)}"]
    yield [words["alias"], f"@{html.escape(promoted.alias)}, {promoted.moment:%Y-%m-%d %H:%M} UTC"]
    yield [words["before"], html.escape(f"v{promoted.previous}" if promoted.previous else words["nothing"])]
    yield [words["gates"], f'<span class="{colour}">{html.escape(decision)}</span>']
    yield [words["state"], html.escape(words[str(facts.tree.state)] if facts.tree.state else "")]
    if facts.tree.development:
        yield ["", f'<span class="open">{html.escape(words["development"])}</span>']
    yield [words["payload"], _code(facts.payload_digest)]
    yield [words["verdict"], _code(facts.seal.verdict_digest)]
    yield [words["gates_file"], _code(facts.seal.config_digest)]
    yield [words["evidence"], _code(facts.seal.evidence_digest)]
    for role, digest in sorted(facts.seal.data_digests.items()):
        yield [f"{words['data']}: {html.escape(role)}", _code(digest)]
    if not facts.seal.data_digests:
        yield [words["data"], _absent(lang)]


def _documents(facts: DossierFacts, lang: Lang) -> Iterable[list[str]]:
    words = WORDS[lang]
    for name in ("scorecard", "model-card"):
        yield [_link(_file(name, lang), words[name]), html.escape(words[f"{name}_shows"])]
    for purpose in sorted(facts.data):
        card, croissant = f"data/{purpose}/{_file('card', lang)}", f"data/{purpose}/croissant.json"
        links = f"{_link(card, words['data-card'])} · {_link(croissant, 'Croissant')}"
        yield [links, html.escape(f"{words['data-card_shows']}: {words[purpose]}")]
    if not facts.data:
        yield [words["data-card"], _absent(lang)]
    yield [_link(_BOM, words["ml-bom"]), html.escape(words["ml-bom_shows"])]
    for name in ("compliance", "threat-model"):
        yield [_link(_file(name, lang), words[name]), html.escape(words[f"{name}_shows"])]


def _approvals(facts: DossierFacts, lang: Lang) -> str:
    words = WORDS[lang]
    needed = ", ".join(f"{item.count} × {item.role}" for item in facts.policy.required_approvals)
    head = [words[key] for key in ("decision", "key", "role", "reason", "signed", "until", "counts")]
    rows = [_decision(decision, facts, lang) for decision in facts.decisions]
    return f"<p>{html.escape(words['required'])}: {html.escape(needed)}</p>" + html_table(head, rows)


def _decision(decision: Decision, facts: DossierFacts, lang: Lang) -> list[str]:
    words = WORDS[lang]
    predicate, key = decision.predicate, decision.key
    if predicate is None or key is None:
        return [
            html.escape(decision.file),
            "",
            "",
            "",
            "",
            "",
            f'<span class="bad">{html.escape(decision.problem)}</span>',
        ]
    what = words[predicate.kind] + (f": {predicate.gate}" if predicate.gate else "")
    until = f"{predicate.expires:%Y-%m-%d}" if predicate.expires else "–"
    counts = f'<span class="soft">{html.escape(decision.problem)}</span>'
    if decision.counts and is_expired(predicate, facts.policy, facts.promoted.moment):
        counts = f'<span class="open">{html.escape(words["expired"])}</span>'
    elif decision.counts:
        counts = f'<span class="good">{html.escape(words["yes"])}</span>'
    cells = [what, key.name, key.role, predicate.reason, f"{predicate.created:%Y-%m-%d %H:%M}", until]
    return [*map(html.escape, cells), counts]


def _checks(checks: Sequence[Check], depth: int = 0) -> Iterable[list[str]]:
    for check in checks:
        sign, colour = _MARKS[check.status]
        name = "&nbsp;" * 4 * depth + html.escape(check.name)
        yield [f'<span class="{colour}">{sign}</span>', name, html.escape(check.detail)]
        yield from _checks(check.children, depth + 1)


def _framework(framework: Framework, facts: DossierFacts, lang: Lang) -> str:
    words = WORDS[lang]
    rows, supported = [], 0
    for item in framework.items:
        found = item.support(facts)
        supported += bool(found)
        cell = "<br>".join(_support(support, facts, lang) for support in found) if found else _absent(lang)
        rows.append([html.escape(item.id), html.escape(item.text(lang)), cell])
    count = words["supported"].format(n=supported, all=len(rows))
    lead = f'<p class="soft">{html.escape(framework.source)}. {html.escape(count)}</p>'
    table = html_table([words["clause"], words["asks"], words["supports"]], rows)
    return _section(framework.title[lang], lead + table)


def _support(support: Support, facts: DossierFacts, lang: Lang) -> str:
    files = {"ml-bom": _BOM, "data": f"data/{min(facts.data, default='')}/{_file('card', lang)}"}
    return _link(files.get(support.document, _file(support.document, lang)), support.text(lang))


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{body}\n</section>"


def _absent(lang: Lang) -> str:
    return f'<span class="open">□ {html.escape(WORDS[lang]["absent"])}</span>'


def _code(text: str) -> str:
    return f"<code>{html.escape(text)}</code>"


def _link(target: str, text: str) -> str:
    return f'<a href="{html.escape(target)}">{html.escape(text)}</a>'


def _other(lang: Lang) -> Lang:
    return "zh" if lang == "en" else "en"


def _file(name: str, lang: Lang) -> str:
    return f"{name}.html" if lang == "en" else f"{name}.zh.html"


def index_file(folder: Path) -> Path:
    """The page to open first."""
    return folder / "index.html"
