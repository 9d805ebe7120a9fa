"""URLs, IP and MAC addresses around one anchor each; see ``mail`` for the shape of these functions."""

from __future__ import annotations

import ipaddress
import re

from components.scrubbing.detectors.context import is_named
from components.scrubbing.detectors.domains import AMBIGUOUS, TOP_LEVEL
from components.scrubbing.spans import Span

NAME = "patterns"

_URL_CHARACTERS = r"!#$%&'()*+,\-./0-9:;=?@A-Z_a-z~\[\]"
_SCHEME_BACKWARDS = re.compile(r"[A-Za-z0-9+.-]{0,14}[A-Za-z]")
_SCHEME_BODY = re.compile(rf"[{_URL_CHARACTERS}]{{3,2000}}")
_WIDE_HOST = re.compile(rf"(?:[^\W_][\w-]{{0,62}}\.){{1,8}}[^\W\d_]{{2,24}}(?:[/:?#][{_URL_CHARACTERS}]{{0,2000}})?")
_CREDENTIALS = re.compile(r"([^\s/@:]{1,64}):([^\s/@]{1,128})@")
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}(?P<top>[a-z]{2,24}|[A-Z]{2,24})(?![A-Za-z0-9@_]|-[A-Za-z0-9])"
    rf"(?P<port>:\d{{1,5}})?(?P<path>[/?#][{_URL_CHARACTERS}]{{0,2000}})?"
)
_HOST_BACKWARDS = re.compile(r"[A-Za-z0-9.-]{1,253}")
_TRAILING = ".,;:!?'*"
_PAIRS = {")": "(", "]": "["}


def find_url(text: str, at: int, out: list[Span]) -> int:
    """A URL with a scheme; ``at`` is the colon of ``://``."""
    scheme = _SCHEME_BACKWARDS.match(text[max(0, at - 15) : at][::-1])
    body = _SCHEME_BODY.match(text, at + 3) or (None if text.isascii() else _WIDE_HOST.match(text, at + 3))
    if scheme is None or body is None:
        return at + 1
    start, end = at - scheme.end(), _trimmed(text, at + 3, body.end())
    if at - start < 2 or end - at < 6:
        return at + 1
    out.append(Span(start, end, "URL", 0.98, NAME))
    if (secret := _CREDENTIALS.match(text, at + 3, end)) is not None:
        out.append(Span(secret.start(), secret.end() - 1, "SECRET", 0.9, NAME))
    return end


def _trimmed(text: str, start: int, end: int) -> int:
    """The end without closing punctuation that belongs to the sentence."""
    while end > start:
        last = text[end - 1]
        opening = _PAIRS.get(last)
        if last in _TRAILING or (opening and text.count(opening, start, end) < text.count(last, start, end)):
            end -= 1
        else:
            break
    return end


def find_bare_url(text: str, at: int, out: list[Span]) -> int:
    """A host name without a scheme; ``at`` is a letter or digit with a dot and letters behind it."""
    before = _HOST_BACKWARDS.match(text[max(0, at - 253) : at + 1][::-1])
    start = at + 1 - len(before.group()) if before else at
    while start < at and text[start] in ".-":
        start += 1
    if start and (text[start - 1] in "@_/\\" or text[start - 1 : start + 1] == "-"):
        return at + 2
    host = _HOST.match(text, start)
    if host is None:
        return at + 2
    end = host.end("port") if host["path"] is None and host["port"] else host.end()
    end = _trimmed(text, host.start(), end)
    score = _host_score(host)
    if score:
        out.append(Span(start, end, "URL", score, NAME))
    return max(end, at + 2)


def _host_score(host: re.Match[str]) -> float:  # noqa: PLR0911 - a line a reason
    top = host["top"].lower()
    if top not in TOP_LEVEL:
        return 0.0
    name = host.group()[: host.end("top") - host.start() - len(top) - 1]
    label = name.rpartition(".")[2]
    if name[:4].lower() == "www.":
        return 0.85
    if host["path"] and host["path"][0] == "/" and len(label) > 1:
        return 0.8
    if top in AMBIGUOUS:
        return 0.7 if any(character.isdigit() or character == "-" for character in label) and len(label) > 3 else 0.0
    if len(label) < 2 or host["top"].isupper() != label.isupper():
        return 0.0  # U.S.de, end.Of
    if label.isdigit():
        return 0.0
    return 0.7


_IPV4 = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)", re.ASCII)
_IPV6_CHARACTERS = re.compile(r"[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}(?![\w:])", re.ASCII)
_IPV6_BACKWARDS = re.compile(r"[0-9A-Fa-f:]{0,39}")
_VERSION_WORDS = (
    "version", "versions", "release", "build", "firmware", "update", "section", "clause", "chapter", " v", " ver",
    "版本", "版本号", "第",
)  # fmt: skip
_MAC = re.compile(
    r"(?:[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}\1[0-9A-Fa-f]{2})?"
    r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![\w:]|[-.]\w)",
    re.ASCII,
)


def find_ipv4(text: str, at: int, out: list[Span]) -> int:
    """A dotted quad below 256; after the word version it is none."""
    start = at
    while start and start > at - 3 and text[start - 1].isdigit():
        start -= 1
    match = _IPV4.match(text, start)
    if match is None or (
        start and (text[start - 1].isascii() and (text[start - 1].isalnum() or text[start - 1] in "_.-"))
    ):
        return at + 1
    octets = [int(octet) for octet in match.group().split(".")]
    if max(octets) > 255:
        return match.end()
    if f" {text[max(0, start - 16) : start].lower()}".rstrip(" .:：").endswith(_VERSION_WORDS):
        score = 0.3
    elif max(octets) < 32 and octets[0] != 10 and len(set(octets)) > 1 and not is_named("IP_ADDRESS", text, start):
        score = 0.4  # 8.6.8.6 is a metre, 27.1.6.8 a place in a law
    else:
        score = 0.9
    out.append(Span(start, match.end(), "IP_ADDRESS", score, NAME))
    return match.end()


def find_ipv6(text: str, at: int, out: list[Span]) -> int:
    """Whatever the standard library parses; ``at`` is the first of two colons with at most four digits between."""
    before = _IPV6_BACKWARDS.match(text[max(0, at - 39) : at][::-1])
    start = at - len(before.group()) if before else at
    if start and ((text[start - 1].isascii() and text[start - 1].isalnum()) or text[start - 1] in "_:."):
        return at + 1
    match = _IPV6_CHARACTERS.match(text, start)
    if match is None or match.group().count(":") < 2 or not any(character.isdigit() for character in match.group()):
        return at + 1
    try:
        ipaddress.IPv6Address(match.group())
    except ValueError:
        return at + 1
    out.append(Span(start, match.end(), "IP_ADDRESS", 0.95, NAME))
    return match.end()


def find_mac(text: str, at: int, out: list[Span]) -> int:
    """Six or eight pairs of hexadecimal digits with colons or hyphens, or three groups of four with dots."""
    if at and ((text[at - 1].isascii() and text[at - 1].isalnum()) or text[at - 1] in "_:"):
        return at + 1
    match = _MAC.match(text, at)
    if match is None:
        return at + 1
    if "." in match.group() and match.group().replace(".", "").isdigit():
        return match.end()  # 1234.5678.9012 is more often a number than an address
    out.append(Span(at, match.end(), "MAC_ADDRESS", 0.95, NAME))
    return match.end()
