"""The page of a validation result: made from its JSON, one HTML file without scripts or outside references.

Both languages stand in it; ``report.html#zh`` opens in Chinese.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.core.jsonfiles import read_json, write_json
from components.validation.frame import html_page
from components.validation.report import ExpectationResult, State, ValidationResult
from components.validation.shards import SHARDS_UNJUDGED
from components.validation.wording import REASONS, STATES, SUITES, VERDICTS, Words, wording_of

_TEMPLATE, _STYLE = "page.html", "page.css"
_MAX_SHARDS_DRAWN = 600
_COUNTS = frozenset({"rows", SHARDS_UNJUDGED})


def write_report(result: ValidationResult, out_dir: Path) -> None:
    """``report.json``, and from it ``report.html``."""
    path = write_json(result, out_dir / "report.json")
    (out_dir / "report.html").write_text(render_page(read_json(path)), encoding="utf-8")


def render_page(report: dict[str, Any]) -> str:
    """The page of a ``report.json``. Raises: ValidationError if it is none."""
    import jinja2

    result = ValidationResult.model_validate(report)
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.from_string((Path(__file__).parent / _TEMPLATE).read_text(encoding="utf-8"))
    states = [item.state for item in result.expectations]
    not_passed = [shard for shard in result.shards if shard.state is not State.PASS]
    title = SUITES.get(result.suite, Words(result.suite, result.suite))
    body = template.render(
        title=title,
        result=result,
        verdict=VERDICTS[result.state],
        states=STATES,
        counts=[(state, states.count(state)) for state in State],
        rows=[_row(item) for item in result.expectations],
        shards=result.shards if len(result.shards) <= _MAX_SHARDS_DRAWN else not_passed[:_MAX_SHARDS_DRAWN],
        not_passed=[(shard, [wording_of(name).title for name in shard.not_passed]) for shard in not_passed[:20]],
        n_not_passed=len(not_passed),
    )
    style = (Path(__file__).parent / _STYLE).read_text(encoding="utf-8")
    return html_page(title=f"{title.en} · {title.zh}", lang="en", body=body, style=style)


def _row(item: ExpectationResult) -> dict[str, Any]:
    """What the template needs of one expectation; ``bar`` holds percentages of the width."""
    wording = wording_of(item.name)
    is_count = item.name in _COUNTS
    return {
        "item": item,
        "wording": wording,
        "observed": _number(item.observed, is_count=is_count),
        "limit": _number(item.limit, is_count=is_count),
        "sign": "≤" if item.side == "max" else "≥",
        "bar": _bar(item),
        "reason": Words(item.reason, REASONS.get(item.reason, item.reason)),
    }


def _number(value: float | None, *, is_count: bool) -> str:
    if value is None:
        return "–"
    if is_count:
        return f"{value:,.0f}"
    percent = f"{100 * value:.3g}" if 0 < value < 0.1 else f"{100 * value:.1f}".removesuffix(".0")
    return f"{percent}%"


def _bar(item: ExpectationResult) -> dict[str, float] | None:
    """Where the observed value and the limit stand on a scale that shows both."""
    if item.observed is None:
        return None
    scale = max(item.observed, item.limit) * 1.25 or 1.0
    return {"observed": round(100 * item.observed / scale, 2), "limit": round(100 * item.limit / scale, 2)}
