"""The quality report as a page: one table, a row a language, that opens without a network."""

from __future__ import annotations

from components.modeling.pretraining_metrics import Gain, PretrainingMetrics, PretrainingReport

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Pretraining quality</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1d2327; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { border-bottom: 1px solid #d5d9dd; padding: .35rem .6rem; text-align: right; }
td { font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #8a9299; }
.no { color: #a5340f; font-weight: 600; }
p { max-width: 46rem; }
</style>
<h1>Pretraining quality</h1>
<p>Objective {{ report.objective }}, {{ "{:,}".format(report.steps) }} steps over
{{ "{:,}".format(report.corpus_tokens) }} tokens of {{ "{:,}".format(report.documents) }} documents,
{{ "{:,}".format(report.parameters) }} parameters. Measured on dev; intervals are 95 %. A gain whose interval reaches
zero is marked: the network does not beat that baseline.</p>
{% for title, columns, rows in tables %}
<table>
<caption>{{ title }}</caption>
<thead><tr><th>language</th>{% for column in columns %}<th>{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, cells in rows %}<tr><td>{{ name }}</td>
{%- for text, fails in cells %}<td{% if fails %} class="no"{% endif %}>{{ text }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table>
{% endfor %}
</html>
"""

Cell = tuple[str, bool]  # text, and whether it falls short


def quality_page(report: PretrainingReport) -> str:
    """The page as HTML; the same report gives the same bytes."""
    from jinja2 import Environment

    template = Environment(autoescape=True).from_string(_PAGE)
    return template.render(report=report, tables=list(_tables(report))) + "\n"


def _tables(report: PretrainingReport) -> list[tuple[str, list[str], list[tuple[str, list[Cell]]]]]:
    tables = [
        (
            "Guessing tokens" if report.objective == "clm" else "Guessing masked tokens",
            ["targets", "accuracy", "unigram", "5-gram", "over unigram", "over 5-gram", "loss", "bits a character"],
            [(name, _words(metrics)) for name, metrics in report.metrics.items()],
        )
    ]
    if report.metrics["all"].pairs:
        tables.append(
            (
                "Sentence pairs",
                ["pairs", "accuracy", "interval", "bag of words", "over bag of words"],
                [(name, _pairs(metrics)) for name, metrics in report.metrics.items()],
            )
        )
    tables.append(
        (
            "Tokenizer",
            ["tokens a word", "unknown tokens"],
            [
                (name, [(f"{metrics.tokens_per_word:.3f}", False), (f"{metrics.unknown_share:.3%}", False)])
                for name, metrics in report.metrics.items()
            ],
        )
    )
    return tables


def _words(metrics: PretrainingMetrics) -> list[Cell]:
    plain = [f"{metrics.targets:,}", *map(_percent, (metrics.accuracy, metrics.unigram_accuracy))]
    plain.append(_percent(metrics.ngram_accuracy))
    gains = [_gain(metrics.gain_over_unigram), _gain(metrics.gain_over_ngram)]
    losses = [f"{metrics.loss:.3f}", f"{metrics.bits_per_character:.3f}"]
    return [*((text, False) for text in plain), *gains, *((text, False) for text in losses)]


def _pairs(metrics: PretrainingMetrics) -> list[Cell]:
    low, high = metrics.pair_accuracy_ci or (0.0, 1.0)
    gained = ("", False) if metrics.gain_over_probe is None else _gain(metrics.gain_over_probe)
    return [
        (f"{metrics.pairs:,}", False),
        (_percent(metrics.pair_accuracy), low <= 0.5),
        (f"{low:.1%} to {high:.1%}", low <= 0.5),
        (_percent(metrics.probe_accuracy), False),
        gained,
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _gain(value: Gain) -> Cell:
    return f"{100 * value.value:+.1f} ({100 * value.ci_low:+.1f} to {100 * value.ci_high:+.1f})", value.ci_low <= 0
