"""How fast the rules are, beside the list of regular expressions that people write first.

Work: made-up messages of 120 characters in English and Chinese, one in fifty with a phrase of the lexicons in it. Both
sides read the same messages in turns; processor time counts, the median turn of each. The peer finds phrases as they
are spelled and sees through no disguise.
"""

from __future__ import annotations

import random
import re
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

from components.safety.config import Category
from components.safety.default_filter import default_config
from components.safety.readings import Term
from components.safety.rules import RuleSet, load_lexicons
from components.safety.training import RULES_DIR

MESSAGE_CHARACTERS = 120
_HARMFUL_EVERY = 50
_PEER_EVERY = 20  # the peer reads one message in so many: it is that much slower
_WORDS = {
    "en": "the committee will meet on tuesday at noon and members should bring their printed agenda, please do not be "
    "late again; we walk to a small restaurant near the river, where lunch costs 12 euros. thank you",
    "zh": "委员会 星期二 中午 开会 请 各位 成员 带上 打印 的 议程 ， 不要 再 迟到 。 我们 走到 河边 的 "
    "小 餐厅 吃 午饭 谢谢",
}


def measure_guard(*, messages: int, rounds: int, seed: int = 7) -> dict[str, Any]:
    """Messages a second of both sides by language, their ratio, and our time a message at the 50th and 99th percent."""
    terms = load_lexicons(RULES_DIR, get_args(Category))
    rules, patterns = RuleSet(terms), _patterns(terms)
    result: dict[str, Any] = {}
    for language in default_config().languages:
        texts = _messages(language, messages, terms, random.Random(seed))
        few = texts[::_PEER_EVERY]
        _seconds(rules.find, texts)
        ours, peer = [], []
        for _ in range(rounds):
            ours.append(len(texts) / _seconds(rules.find, texts))
            peer.append(len(few) / _seconds(partial(_search, patterns), few))
        each = sorted(_seconds(rules.find, [text]) * 1000 for text in texts)
        result[language] = {
            "ours": {
                "messages_per_second": statistics.median(ours),
                "p50_ms": each[len(each) // 2],
                "p99_ms": each[len(each) * 99 // 100],
            },
            "peer": {"name": "regular expressions", "messages_per_second": statistics.median(peer)},
            "ratio": statistics.median(ours) / statistics.median(peer),
        }
    return result


def _messages(language: str, count: int, terms: list[Term], generator: random.Random) -> list[str]:
    phrases = [term.phrase for term in terms if term.language == language and not term.allowed]
    glue = " " if language == "en" else ""
    made = []
    for number in range(count):
        words = generator.choices(_WORDS[language].split(), k=MESSAGE_CHARACTERS)
        if number % _HARMFUL_EVERY == 0:
            words[3] = generator.choice(phrases)
        made.append(glue.join(words)[:MESSAGE_CHARACTERS])
    return made


def _patterns(terms: list[Term]) -> list[re.Pattern[str]]:
    edge = {True: "", False: r"\b"}
    return [
        re.compile(edge[term.is_chinese] + re.escape(term.phrase) + edge[term.is_chinese], re.IGNORECASE)
        for term in terms
        if not term.allowed
    ]


def _search(patterns: list[re.Pattern[str]], text: str) -> list[re.Pattern[str]]:
    """All that match, as the rules report all."""
    return [pattern for pattern in patterns if pattern.search(text)]


def _seconds(function: Callable[[str], object], texts: list[str]) -> float:
    start = time.process_time()
    for text in texts:
        function(text)
    return time.process_time() - start
