# ruff: noqa: E501 - Chinese characters count as two columns
"""Identifiers with a shape: one scan finds their anchors, a function per kind judges what stands around each.

The scan is Hyperscan's, over all anchors at once; see ``scanner``. Judging means a check digit, a range, a numbering
plan, or the words before the value in English or Chinese. Every judgement looks at a bounded neighbourhood of its
anchor, so the time is linear in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from components.scrubbing.detectors import Look, documents, internet, mail, secrets
from components.scrubbing.detectors.folding import NUMERALS, fold
from components.scrubbing.detectors.numbers import Finder, NumberFinder
from components.scrubbing.detectors.phones import find_phones
from components.scrubbing.detectors.respelled import RespelledFinder
from components.scrubbing.detectors.scanner import LOOKALIKE, Scanner, utf8_class, utf8_words
from components.scrubbing.spans import Span

# ``judge(text, offset of the anchor, spans so far)`` gives the offset before which anchors of its kind are answered.
Judge = Callable[[str, int, list[Span]], int]

_NUMBER_LABELS = frozenset({
    "CREDIT_CARD", "CN_BANK_CARD", "CN_ID_CARD", "US_SSN", "US_ITIN", "UK_NHS", "CN_SOCIAL_CREDIT_CODE",
    "US_BANK_NUMBER", "PHONE_NUMBER", "US_PASSPORT", "CN_PASSPORT", "US_DRIVER_LICENSE", "ID_NUMBER", "MEDICAL_LICENSE",
})  # fmt: skip

_BETWEEN = r"(?:[ .()_-]|\xe2\x80\x8b|\xc2\xb7){0,3}"
_SPACED = r"(?:[ .,_*/|~-]|\xe2\x80\x8b|\xc2\xb7|\xef\xbc\x8c|\xe3\x80\x81){1,3}"
_NUMERAL = utf8_class("".join(NUMERALS))


@dataclass(frozen=True, slots=True)
class Kind:
    """An anchor, the labels that what stands around it may have, and who judges it."""

    labels: frozenset[str]
    anchor: str
    judge: Judge
    # Kinds of one family do not look into what another of them has found: the host of an address is no URL.
    family: str = ""


def _kinds(labels: frozenset[str]) -> list[Kind]:
    """The kinds that give one of ``labels``."""
    numbers = NumberFinder(labels, others=_other_number_kinds(labels))
    respelled = RespelledFinder(numbers)

    def kind(names: str, anchor: str, judge: Judge, family: str = "") -> Kind:
        return Kind(frozenset(names.split()), anchor, judge, family)

    numeral = rf"(?:{_NUMERAL}|[0-9])"
    every = [
        Kind(_NUMBER_LABELS, rf"(?:^|[^0-9])[0-9](?:{_BETWEEN}[0-9]){{6}}", respelled.find_run),
        Kind(_NUMBER_LABELS, rf"(?:^|[^0-9])[0-9](?:{_SPACED}[0-9]){{6}}", respelled.find_spread),
        Kind(_NUMBER_LABELS, rf"{_NUMERAL}(?:[ -]?{numeral}){{6}}", respelled.find_numerals),
        kind("EMAIL_ADDRESS USERNAME", r"@[a-z0-9\[\x80-\xff]", mail.find_mail, "net"),
        kind(
            "EMAIL_ADDRESS",
            r"[ \[({<_#-]dot[ \])}>_#-]|[\[({<] ?(?:at|@) ?[\])}>]|\xe8\x89\xbe\xe7\x89\xb9|@ [a-z0-9]"
            r"|\xef\xbc\x88(?:at|@)\xef\xbc\x89| at [a-z0-9-]+\.[a-z]|[a-z0-9](?:\xe7\x82\xb9|\xe9\xbb\x9e)[a-z]",
            mail.find_hidden_mail,
        ),
        kind("URL SECRET", r"://[^ ]", internet.find_url, "net"),
        kind("URL", r"[a-z0-9]\.[a-z]{2}", internet.find_bare_url, "net"),
        kind("IP_ADDRESS", r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", internet.find_ipv4),
        kind("IP_ADDRESS", r":[0-9a-f]{0,4}:", internet.find_ipv6),
        kind(
            "MAC_ADDRESS",
            r"[0-9a-f]{2}[:-][0-9a-f]{2}[:-][0-9a-f]{2}[:-][0-9a-f]{2}[:-][0-9a-f]{2}"
            r"|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}",
            internet.find_mac,
        ),
        kind("IBAN_CODE", r"[a-z]{2}[0-9]{2}[ -]?[a-z0-9]{4}[ -]?[a-z0-9]{3}", documents.find_iban),
        kind("UK_NINO", r"[a-z]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[a-d]", documents.find_nino),
        kind(
            "CN_LICENSE_PLATE",
            rf"{utf8_class(documents.PROVINCES)}[a-z](?:[. -]|\xc2\xb7|\xe2\x80[\xa2\xa7]|\xe3\x83\xbb)?[0-9a-z]{{4}}",
            documents.find_plate,
        ),
        kind(
            "CASE_NUMBER",
            r"(?:nos?|numbers?|case|docket|application|file)[ .:#]{1,4}[0-9a-z:-]{1,6}[0-9/:-][0-9]",
            documents.find_case,
        ),
        kind(
            "CASE_NUMBER",
            rf"(?:\(|\[|{utf8_words(('（', '〔', '【'))})[0-9]{{4}}(?:\)|\]|{utf8_words(('）', '〕', '】'))})",
            documents.find_cn_case,
        ),
        kind(
            "USERNAME",
            rf"(?:qq|wechat|weixin|wx|vx|user ?-?name|user ?id|login|screen ?name|handle|telegram|twitter|instagram|skype|"
            rf"discord|snapchat|line ?id|kakao|{utf8_words(('微信', '微訊', '用户名', '用戶名', '账户名', '昵称', '登录名', '微博', '抖音'))})"
            rf"(?:[ :=#@\"']|\xe5|\xe6|\xe7|\xe8|\xef|id|[0-9a-z])",
            documents.find_account,
        ),
        kind("SECRET CRYPTO", r"(?:^|[^a-z0-9_-])[a-z0-9][a-z0-9_-]{19}", secrets.find_token),
        kind("SECRET", r"-----BEGIN [^-\n]*PRIVATE KEY", secrets.find_private_key),
        kind(
            "SECRET",
            r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|key|credentials?|pin(?:[ _-]?code)?|cvv2?|cvc|otp)"
            r"(?:[ _-]?(?:key|id|code|hash|token|value))?[\"'`\]]{0,2} {0,3}(?:[:=]|is |was |\xef\xbc\x9a|\xe6\x98\xaf)"
            rf"|{utf8_words(('密码', '密碼', '口令', '密钥', '密鑰', '金鑰', '令牌', '验证码', '驗證碼'))}",
            secrets.find_named_secret,
        ),
    ]
    return [kind for kind in every if kind.labels & labels]


def _other_number_kinds(labels: frozenset[str]) -> list[tuple[int, int, Finder]]:
    kinds: list[tuple[frozenset[str], tuple[int, int, Finder]]] = [
        (frozenset({"PHONE_NUMBER"}), (7, 400, find_phones)),
        (frozenset({"US_PASSPORT", "CN_PASSPORT"}), (7, 9, documents.find_passports)),
        (frozenset({"US_DRIVER_LICENSE", "ID_NUMBER"}), (5, 20, documents.find_named_ids)),
        (frozenset({"MEDICAL_LICENSE"}), (7, 7, documents.find_medical_licenses)),
    ]
    return [entry for names, entry in kinds if names & labels]


_LOOKALIKE_KIND = 1_000
# Characters around an anchor that a judge looks at, and the judges that may look further.
_REACH = 512
_LONG: frozenset[Judge] = frozenset({secrets.find_token, secrets.find_private_key, internet.find_url})
_NOTHING = Look((), ())
_ALL_LABELS = _NUMBER_LABELS | frozenset({
    "EMAIL_ADDRESS", "USERNAME", "URL", "SECRET", "IP_ADDRESS", "MAC_ADDRESS", "IBAN_CODE", "UK_NINO",
    "CN_LICENSE_PLATE", "CASE_NUMBER", "CRYPTO",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is done for a set of labels. The lists go by the number of a kind."""

    scanner: Scanner
    judges: list[Judge]
    families: list[int]
    unbounded: list[bool]


@lru_cache(maxsize=16)
def _compiled(labels: frozenset[str]) -> _Plan:
    """The plan of a set of labels; compiling takes tenths of a second and is done once a process."""
    kinds = _kinds(labels)
    names = [kind.family or str(number) for number, kind in enumerate(kinds)]
    anchors = {number: kind.anchor for number, kind in enumerate(kinds)}
    return _Plan(
        scanner=Scanner({**anchors, _LOOKALIKE_KIND: LOOKALIKE}),
        judges=[kind.judge for kind in kinds],
        families=[names.index(name) for name in names],
        unbounded=[kind.judge in _LONG for kind in kinds],
    )


class PatternDetector:
    """Everything with a shape: addresses of the net, cards, accounts, papers, telephones, plates, keys."""

    name = "patterns"
    labels: frozenset[str] = _ALL_LABELS
    reach = _REACH

    def __init__(self, labels: Collection[str] | None = None) -> None:
        """Only kinds that give one of ``labels`` are looked for; None: all."""
        if labels is not None:
            self.labels = _ALL_LABELS & frozenset(labels)
        self._plan = _compiled(self.labels) if self.labels else None

    def detect(self, text: str, lang: str) -> Sequence[Span]:
        """Spans of all these labels."""
        return self.look(text, lang).spans

    def look(self, text: str, lang: str) -> Look:  # noqa: ARG002 - shapes are the same everywhere
        """Spans of all these labels, and the anchors that came to nothing."""
        plan = self._plan
        if plan is None:
            return _NOTHING
        hits = plan.scanner.scan(text)
        if not hits:
            return _NOTHING
        if not text.isascii() and any(kind == _LOOKALIKE_KIND for _, kind in hits):
            text = fold(text)
            # Folding concerns the whole text, so what a replaced look-alike changes may be anywhere.
            return Look(self._judge(plan, text, plan.scanner.scan(text)).spans, None)
        return self._judge(plan, text, hits)

    def _judge(self, plan: _Plan, text: str, hits: list[tuple[int, int]]) -> Look:
        found: list[Span] = []
        doubts: list[tuple[int, int]] = []
        bounded = True
        answered = [0] * len(plan.judges)
        for offset, kind in hits:
            if kind == _LOOKALIKE_KIND or offset < answered[plan.families[kind]]:
                continue
            before = len(found)
            until = answered[plan.families[kind]] = plan.judges[kind](text, offset, found)
            # Judged and not covered by what was found: here a neighbour's removal may matter.
            if len(found) == before or found[before].start > offset + 1:
                doubts.append((offset, until))
                bounded = bounded and not plan.unbounded[kind]
            elif found[-1].end < until:
                doubts.append((offset, until))
        wanted = [span for span in found if span.label in self.labels]
        if len(wanted) < len(found):
            doubts += [(span.start, span.end) for span in found if span.label not in self.labels]
        return Look(wanted, doubts if bounded else None)
