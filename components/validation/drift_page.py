"""The drift report as one page in English and Chinese: verdict, tests, and the distributions behind them."""

from __future__ import annotations

import html

from components.validation.charts import Bar, bar_chart
from components.validation.drift_report import Distribution, DriftResult, DriftState, DriftTest, TestState
from components.validation.frame import html_page, html_table

_VERDICTS = {
    DriftState.DRIFT: ("bad", "drift · 有漂移"),
    DriftState.NO_DRIFT: ("good", "no drift · 无漂移"),
    DriftState.ERROR: ("open", "could not be judged · 无法判断"),
}
_STATES = {
    TestState.SAME: ("good", "✓ same · 一致"),
    TestState.DRIFTED: ("bad", "✗ drifted · 漂移"),
    TestState.UNRESOLVED: ("open", "? unresolved · 样本不足"),
    TestState.NOT_JUDGED: ("soft", "– not judged · 未判断"),
}
_NAMES = {
    "length": "length · 长度",
    "language": "languages · 语言构成",
    "label": "labels · 标签构成",
    "topics": "topics · 主题构成",
    "vocabulary": "vocabulary · 词汇",
    "new_words": "new words · 新词比例",
}
_LANGUAGES = {"en": "English · 英文", "zh": "Chinese · 中文", "other": "other languages · 其他语言"}
_UNITS = {
    "wasserstein": "doublings · 倍增",
    "jensen_shannon": "0 … 1",
    "mean_rise": "share · 比例",
}
_RULE = (
    "A distance has what chance alone gives already taken off; <em>chance reaches</em> is how far random draws of the "
    "same sizes still get (99th percentile of 200). A test fails where the distance is beyond its limit and beyond "
    "chance; where chance reaches beyond the limit there are too few records to tell, which is no pass."
)
_RULE_ZH = (
    "距离已减去随机因素的平均影响；“随机可达”是同样大小的随机抽样仍能达到的距离（200 次中的第 99 百分位）。"
    "距离同时超过限值与随机可达时，检验不通过；随机可达超过限值时，记录太少，无法判断，也不算通过。"
)


def test_title(name: str) -> str:
    """``new_words_zh`` in words, in both languages."""
    for lang, spoken in _LANGUAGES.items():
        if name.endswith(f"_{lang}"):
            return f"{_NAMES[name.removesuffix(f'_{lang}')]}, {spoken}"
    return _NAMES[name]


test_title.__test__ = False  # type: ignore[attr-defined]  # no test case, whatever pytest makes of the name


def render_drift_page(result: DriftResult, *, detail: str | None) -> str:
    """The page; ``detail`` is the file name of Evidently's page beside it, if there is one."""
    colour, verdict = _VERDICTS[result.state]
    parts = [
        "<h1>Drift · 数据漂移</h1>",
        f'<p><span class="verdict {colour}">{verdict}</span></p>',
        f"<p>{_sizes(result)}</p>",
    ]
    if result.reason:
        parts.append(f'<p class="note">{html.escape(result.reason)}</p>')
    if result.tests:
        parts += ["<h2>Tests · 检验</h2>", _tests(result), f'<p class="soft">{_RULE}</p><p class="soft">{_RULE_ZH}</p>']
    if result.distributions:
        parts += ["<h2>Distributions · 分布</h2>", _LEGEND, *map(_figure, result.distributions)]
    if detail:
        parts.append(f'<p><a href="{html.escape(detail)}">Evidently: histograms of every column · 各列直方图</a></p>')
    return html_page(title="Drift · 数据漂移", lang="en", body="\n".join(parts))


_LEGEND = '<p><span class="k2">■</span> reference · 参照 &nbsp; <span class="k1">■</span> current · 当前</p>'


def _sizes(result: DriftResult) -> str:
    text = f"current · 当前 {result.rows_current:,}, reference · 参照 {result.rows_reference:,} records · 条"
    if (result.sampled_current, result.sampled_reference) != (result.rows_current, result.rows_reference):
        text += f"; compared · 比较了 {result.sampled_current:,} / {result.sampled_reference:,}"
    return text


def _tests(result: DriftResult) -> str:
    head = [
        "test · 检验",
        "result · 结果",
        "distance · 距离",
        "limit · 限值",
        "chance reaches · 随机可达",
        "unit · 单位",
        "n current / reference · 当前/参照",
    ]
    return html_table(head, [_row(test) for test in result.tests], numbers=(2, 3, 4, 6))


def _row(test: DriftTest) -> list[str]:
    colour, state = _STATES[test.state]
    reason = f'<br><span class="soft">{html.escape(test.reason)}</span>' if test.reason else ""
    return [
        html.escape(test_title(test.name)),
        f'<span class="{colour}">{state}</span>{reason}',
        _number(test.score),
        f"{test.threshold:g}",
        _number(test.chance),
        _UNITS[test.statistic],
        f"{test.n_current:,} / {test.n_reference:,}",
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _figure(item: Distribution) -> str:
    quantiles = item.kind == "quantiles"
    values = [_shown(item.name, side) for side in (item.reference, item.current)]
    rows = [
        (
            f"{key} %" if quantiles else key,
            [Bar(value, colour, _text(item, value)) for value, colour in zip(pair, ("c2", "c1"), strict=True)],
        )
        for key, *pair in zip(item.keys, *values, strict=True)
    ]
    title = test_title(item.name) + _QUANTILES.get(item.name.rsplit("_", 1)[0], "")
    top = None if quantiles else 1.0
    chart = bar_chart(rows, title=title, top=top)
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{chart}</figure>"


_QUANTILES = {
    "length": ": characters at each percentile · 各百分位的字符数",
    "new_words": ": share in a record at each percentile · 各百分位的比例",
}


def _shown(name: str, values: list[float]) -> list[float]:
    """Lengths are measured in doublings and shown in characters."""
    return [float(2**value) for value in values] if name.startswith("length") else values


def _text(item: Distribution, value: float) -> str:
    return f"{value:,.0f}" if item.name.startswith("length") else f"{value:.1%}"
