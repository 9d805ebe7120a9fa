"""Keys, tokens, passwords and crypto addresses: long words of letters and digits, and what stands behind a name.

Prefixes are those that the issuers publish for secret scanners.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter

from components.scrubbing.checksums import passes_base58, passes_bech32
from components.scrubbing.detectors.context import is_named
from components.scrubbing.spans import Span

NAME = "patterns"

_ISSUED = re.compile(
    r"""
      sk-ant-[A-Za-z0-9_-]{20,250} | sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,250} | sk-[A-Za-z0-9]{32,100}
    | sk-or-v1-[0-9a-f]{64} | (?:gsk_|xai-|r8_|pplx-|hf_|nvapi-)[A-Za-z0-9_-]{30,100}
    | (?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ABIA|ACCA)[0-9A-Z]{16}(?![0-9A-Za-z])
    | (?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{36,251} | github_pat_[A-Za-z0-9_]{30,250}
    | gl(?:pat|oas|dt|rt|ptt|ft|soat|cbt|imt|agent)-[A-Za-z0-9_-]{20,60}
    | xox[abeoprs]-[A-Za-z0-9-]{10,250} | xapp-[A-Za-z0-9-]{20,250}
    | (?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,120} | whsec_[A-Za-z0-9+/=]{24,100}
    | AIza[A-Za-z0-9_-]{35} | ya29\.[A-Za-z0-9_-]{20,250} | GOCSPX-[A-Za-z0-9_-]{20,40}
    | npm_[A-Za-z0-9]{36} | pypi-AgEI[A-Za-z0-9_-]{50,250} | dop_v1_[0-9a-f]{64} | dckr_pat_[A-Za-z0-9_-]{20,60}
    | SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64} | SK[0-9a-f]{32}(?![0-9A-Za-z]) | key-[0-9a-f]{32}
    | sq0(?:atp|csp)-[A-Za-z0-9_-]{22,60} | EAAA[A-Za-z0-9_-]{50,80} | shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}
    | dapi[0-9a-f]{32} | LTAI[A-Za-z0-9]{12,24} | AKID[A-Za-z0-9]{32} | AGE-SECRET-KEY-1[0-9A-Z]{58}
    | hvs\.[A-Za-z0-9_-]{24,250} | atlasv1\.[A-Za-z0-9_-]{60,70} | lin_api_[A-Za-z0-9]{40} | NRAK-[A-Z0-9]{27}
    | PMAK-[0-9a-f]{24}-[0-9a-f]{34} | rubygems_[0-9a-f]{48} | glc_[A-Za-z0-9+/=]{32,250} | ops_eyJ[A-Za-z0-9_-]{50,250}
    """,
    re.VERBOSE,
)
_WEB_TOKEN = re.compile(r"(eyJ[A-Za-z0-9_-]{8,4000})\.([A-Za-z0-9_-]{2,8000})\.([A-Za-z0-9_-]{0,2000})")
_TELEGRAM = re.compile(r"\d{8,10}:$")
_TELEGRAM_KEY = re.compile(r"[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])")
_BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]{25,35}(?![0-9A-Za-z])")
_BECH32 = re.compile(r"(?i)(?:bc|tb|ltc)1[02-9ac-hj-np-z]{11,87}(?![0-9A-Za-z])")
_HEX_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}(?![0-9A-Za-z])")
_MONERO = re.compile(r"[48][1-9A-HJ-NP-Za-km-z]{94}(?![0-9A-Za-z])")


def find_token(text: str, at: int, out: list[Span]) -> int:
    """What a long word is; ``at`` is its first character or the one before."""
    start = at if text[at].isascii() and text[at].isalnum() else at + 1
    end = start + 20
    if (issued := _match_issued(text, start)) is not None:
        out.append(Span(*issued, "SECRET", 0.97, NAME))
        return issued[1]
    if (web := _WEB_TOKEN.match(text, start)) is not None and _is_web_token(web):
        out.append(Span(start, web.end(), "SECRET", 0.97, NAME))
        return web.end()
    if (key := _TELEGRAM_KEY.match(text, start)) and (bot := _TELEGRAM.search(text, max(0, start - 11), start)):
        out.append(Span(bot.start(), key.end(), "SECRET", 0.95, NAME))
        return key.end()
    return _find_address(text, start, out) or end


def _match_issued(text: str, start: int) -> tuple[int, int] | None:
    """A key with a published prefix here, or behind a short one that ends in a dot (``SG.``, ``hvs.``)."""
    if match := _ISSUED.match(text, start):
        return match.span()
    if text[max(0, start - 1) : start] == ".":
        for length in (3, 4, 5, 8):
            if start >= length and (match := _ISSUED.match(text, start - length)):
                return match.span()
    return None


def _is_web_token(match: re.Match[str]) -> bool:
    """RFC 7519: the first part is base64url of a JSON object with ``alg``."""
    head = match[1]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(header, dict) and "alg" in header


def _find_address(text: str, start: int, out: list[Span]) -> int | None:
    """A wallet address: a checksum, or the Ethereum shape, whose checksum is optional."""
    match = _BASE58.match(text, start)
    if match and any(character.isdigit() for character in match.group()) and passes_base58(match.group()):
        out.append(Span(start, match.end(), "CRYPTO", 0.97, NAME))
        return match.end()
    if (match := _BECH32.match(text, start)) and passes_bech32(match.group()):
        out.append(Span(start, match.end(), "CRYPTO", 0.97, NAME))
        return match.end()
    match = _HEX_ADDRESS.match(text, start) or _MONERO.match(text, start)
    if match is None:
        match = _BASE58.match(text, start)
        if match is None or text[start] not in "13LTDM" or not is_named("CRYPTO", text, start):
            return None
        out.append(Span(start, match.end(), "CRYPTO", 0.6, NAME))  # a failed checksum, but somebody calls it a wallet
        return match.end()
    out.append(Span(start, match.end(), "CRYPTO", 0.85, NAME))
    return match.end()


_PEM = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?)-----"
    r"(?:[A-Za-z0-9+/=\s:,.\\]|-(?!----)){1,20000}-----END \1-----"
)


def find_private_key(text: str, at: int, out: list[Span]) -> int:
    """A private key in PEM with both its lines; ``at`` is the first hyphen."""
    match = _PEM.match(text, at)
    if match is None:
        return at + 1
    out.append(Span(at, match.end(), "SECRET", 1.0, NAME))
    return match.end()


_NAMED = re.compile(
    r"(?i)[\w.-]{0,24}?(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[ _-]?key|access[ _-]?key|private[ _-]?key|"
    r"account[ _-]?key|credentials?|pin(?:[ _-]?code)?|cvv2?|cvc|otp|密码|密碼|口令|密钥|密鑰|金鑰|令牌|验证码|驗證碼)"
    r"(?P<more>[ _-]?(?:key|id|code|hash|token|value))?(?:[\"'`\]]{0,2})\s{0,3}"
    r"(?P<sign>:=|=>|[:=：＝]|(?:\s?is|\s?was)\s(?!:)|是[:：]?|为[:：]?|為[:：]?)\s{0,3}"
    r"(?P<quote>[\"'`“「]?)(?P<value>[^\s\"'`”」，。；,;<>]{3,200})"
)
_FIRST_WORD = re.compile(r"(?i)\b(?:api|access|private|account) $")
_LETTERS_ONLY = re.compile(r"[A-Za-z]+[.!?)]*|[^\x00-\x7f]+")
_CODE_LIKE = re.compile(
    r"[\w.]*\(.*|[$%{<\[].*|(?i:none|null|true|false|required|undefined|string|str|bool|int).*|\*+|x{3,}|\.{3,}"
)


def find_named_secret(text: str, at: int, out: list[Span]) -> int:
    """The value behind ``password:``, ``api_key =`` or 密码是; ``at`` is in the last word of the name."""
    start = at
    while (
        start > at - 24
        and start
        and text[start - 1].isascii()
        and (text[start - 1].isalnum() or text[start - 1] in "_.-")
    ):
        start -= 1
    match = _NAMED.match(text, start)
    if match is None and (first := _FIRST_WORD.search(text, max(0, start - 8), start)):
        match = _NAMED.match(text, first.start())
    if match is None:
        return at + 1
    value = match["value"].rstrip(".")
    if _is_secret(value, match):
        start = match.start("value")
        out.append(Span(start, start + len(value), "SECRET", 0.85 if match["quote"] else 0.75, NAME))
    return match.start("value") + 1


def _is_secret(value: str, match: re.Match[str]) -> bool:
    """A value that nobody would write as prose: mixed characters, or high entropy."""
    name = match.group()[: match.start("sign") - match.start()].lower()
    if re.search(r"pin\b|pin.?code|cvv|cvc|otp|验证码|驗證碼", name):
        return re.fullmatch(r"\d{3,8}", value) is not None
    if len(value) < 4 or _LETTERS_ONLY.fullmatch(value) or _CODE_LIKE.fullmatch(value):
        return len(value) >= 6 and bool(match["quote"]) and value.isalnum() and entropy(value) >= 2.5
    if match["sign"].strip() in {"is", "was"}:
        return any(character.isdigit() for character in value) and len(value) >= 6
    return len(value) >= 6 or not value.isalnum() or not value.isdigit()


def entropy(value: str) -> float:
    """Bits a character by the value's own frequencies: 0 for one repeated character."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())
