"""Mail addresses, as they are written and as people hide them, and the handles that begin with an @.

Every function looks around one anchor: ``find(text, at, out)`` appends spans to ``out`` and returns the offset up to
which further anchors of its kind are answered.
"""

from __future__ import annotations

import re

from components.scrubbing.detectors.domains import SPOKEN
from components.scrubbing.spans import Span

NAME = "patterns"

# Read backwards from the @, since a scan from the left is quadratic on long runs of letters.
_LOCAL_BACKWARDS = re.compile(r"[A-Za-z0-9\u00c0-\u024f\u0370-\u052f.!#$%&'*+^_`~-]{1,64}")
_CJK_BACKWARDS = re.compile(r"[\u4e00-\u9fff]{1,4}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.){{1,8}}(?:[A-Za-z]{{2,24}}|xn--[A-Za-z0-9-]{{2,59}})(?![A-Za-z0-9])")
_WIDE_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_WIDE_DOMAIN = re.compile(rf"(?:{_WIDE_LABEL}\.){{1,8}}[^\W\d_]{{2,24}}")
_IP_DOMAIN = re.compile(r"\[?(?:\d{1,3}\.){3}\d{1,3}\]?(?![\w.])", re.ASCII)
_QUOTED_BACKWARDS = re.compile(r'"[^"\n@]{1,62}"')
_HANDLE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_]|[.\-](?=[A-Za-z0-9_])){2,29}(?![A-Za-z0-9_@])")


def find_mail(text: str, at: int, out: list[Span]) -> int:
    """An address around the ``@`` at ``at``, or a handle behind it."""
    domain = (
        _DOMAIN.match(text, at + 1)
        or _IP_DOMAIN.match(text, at + 1)
        or (None if text.isascii() else _WIDE_DOMAIN.match(text, at + 1))
    )
    if domain is None:
        return _find_handle(text, at, out)
    before = text[max(0, at - 64) : at][::-1]
    local = _LOCAL_BACKWARDS.match(before) or _CJK_BACKWARDS.match(before) or _QUOTED_BACKWARDS.match(before)
    if local is None:
        return at + 1
    value = local.group()[::-1]
    plain = value if value[0] == '"' else value.lstrip("'*`~^!#$&-")
    if not plain:
        return at + 1
    # RFC 5322 has no dot at either end and no two in a row: such a thing is a guess that the default leaves alone.
    broken = ".." in plain or plain[0] == "." or plain[-1] == "."
    out.append(Span(at - len(plain), domain.end(), "EMAIL_ADDRESS", 0.4 if broken else 1.0, NAME))
    return domain.end()


def _find_handle(text: str, at: int, out: list[Span]) -> int:
    handle = _HANDLE.match(text, at + 1)
    if handle is None or (at and ((text[at - 1].isalnum() and text[at - 1].isascii()) or text[at - 1] in "@./_-")):
        return at + 1
    out.append(Span(handle.start(), handle.end(), "USERNAME", 0.6, NAME))
    return handle.end()


# An at sign and a dot in other words; a bracket on one side is enough, since people mix them.
_AT = r"(?:\s?[\[({<（【]\s?(?:at|@|艾特)\s?[\])}>）】]\s?|\s(?:at|@|艾特)\s|[_#-]at[_#-]|\s?艾特\s?|@\s?)"
_DOT = (
    r"(?:\s?[\[({<（【]\s?(?:dot|\.|点|點)\s?[\])}>）】]\s?|\s(?:dot|点|點)\s|[_#-]dot[_#-]"
    r"|\s\.\s|(?<=\w)[点點](?=\w)|\.)"
)
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9_+-]{0,38}[A-Za-z0-9])?"
_LOCAL_END = re.compile(rf"(?<![A-Za-z0-9])(?:{_WORD}{_DOT}){{0,3}}{_WORD}$", re.IGNORECASE)
_SIGN = re.compile(rf"(?P<at>{_AT})(?P<host>{_WORD})", re.IGNORECASE)
_DOT_AND_WORD = re.compile(rf"(?P<dot>{_DOT})(?P<word>{_WORD})(?![A-Za-z0-9])", re.IGNORECASE)
_MAIL_WORDS = re.compile(r"e-?mail|mailbox|contact|reach|write|邮箱|邮件|信箱|郵箱|電郵|电邮|联系", re.IGNORECASE)
_NO_HOSTS = frozenset(
    ["the", "a", "an", "this", "that", "my", "our", "your", "his", "her", "its", "their", "any", "some", "no"]
)
_WINDOW = 64


def find_hidden_mail(text: str, at: int, out: list[Span]) -> int:
    """``name at host dot com`` and its relatives; ``at`` is somewhere in the part that stands for the @ or the dot."""
    for sign in _SIGN.finditer(text, max(0, at - _WINDOW), min(len(text), at + _WINDOW)):
        end, disguised = _host_end(text, sign)
        if end <= at:
            continue
        local = _LOCAL_END.search(text, max(0, sign.start() - _WINDOW), sign.start())
        if local is not None and (disguised or _MAIL_WORDS.search(text, max(0, local.start() - 40), local.start())):
            out.append(Span(local.start(), end, "EMAIL_ADDRESS", 0.75, NAME))
            return end
    return at + 1


def _host_end(text: str, sign: re.Match[str]) -> tuple[int, bool]:
    """Where the host ends in a known top-level domain, and whether its spelling is one that only hides an address.

    ``john at example.com`` alone is no disguise. The end is 0 where there is no host.
    """
    if sign["host"].lower() in _NO_HOSTS:
        return 0, False
    kind = sign["at"].strip().lower()
    spaced_sign, word_sign = kind == "@" and sign["at"] != "@", kind == "at"
    end, position, hidden = 0, sign.end(), not word_sign and kind != "@"
    while (part := _DOT_AND_WORD.match(text, position)) is not None and position < sign.end() + 120:
        position = part.end()
        hidden = hidden or spaced_sign or part["dot"] != "."
        if part["word"].lower() in SPOKEN:
            end = position
    return end, hidden
