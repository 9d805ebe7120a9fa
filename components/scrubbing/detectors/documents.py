"""Papers, plates, cases and accounts: letters and digits in a fixed shape, mostly behind a word that names them."""

from __future__ import annotations

import re

from components.scrubbing.checksums import IBAN_LENGTHS, passes_dea, passes_iban
from components.scrubbing.detectors.context import is_named, left_of
from components.scrubbing.detectors.numbers import Run
from components.scrubbing.spans import Span

NAME = "patterns"


def find_iban(text: str, at: int, out: list[Span]) -> int:
    """Account numbers whose country, length and remainder agree; words after the number are cut off."""
    if at and text[at - 1].isascii() and text[at - 1].isalnum():
        return at + 1
    length = IBAN_LENGTHS.get(text[at : at + 2].upper())
    end = _end_of(text, at, length) if length is not None else None
    if end is None or (end < len(text) and text[end].isascii() and text[end].isalnum()):
        return at + 1
    compact = text[at:end].replace(" ", "").replace("-", "").upper()
    if passes_iban(compact):
        out.append(Span(at, end, "IBAN_CODE", 1.0, NAME))
    elif compact.isalnum() and compact.isascii() and is_named("IBAN_CODE", text, at):
        out.append(Span(at, end, "IBAN_CODE", 0.6, NAME))
    else:
        return at + 1
    return end


def _end_of(text: str, start: int, characters: int) -> int | None:
    """The offset after ``characters`` letters or digits from ``start``, spaces and hyphens not counted."""
    if text[start : start + characters].isalnum():
        return start + characters if start + characters <= len(text) else None
    for offset in range(start, min(len(text), start + 2 * characters)):
        if text[offset] not in " -":
            characters -= 1
            if characters == 0:
                return offset + 1
    return None


_NINO = re.compile(
    r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]([ \-]?)\d{2}\1\d{2}\1\d{2}\1[A-D](?![A-Za-z0-9])",
    re.IGNORECASE | re.ASCII,
)


def find_nino(text: str, at: int, out: list[Span]) -> int:
    """UK national insurance numbers, in capitals or behind the words for it."""
    match = _NINO.match(text, at)
    if match is None or (at and text[at - 1].isascii() and (text[at - 1].isalnum() or text[at - 1] in "-_")):
        return at + 1
    named = is_named("UK_NINO", text, at)
    if named or match.group().isupper():
        out.append(Span(at, match.end(), "UK_NINO", 0.95 if named else 0.7, NAME))
    return match.end()


PROVINCES = "京津沪滬渝冀豫云雲辽遼黑湘皖鲁魯新苏蘇浙赣贛鄂桂甘晋晉蒙陕陝吉闽閩贵貴粤粵青藏川宁寧琼瓊使领"
_PLATE = re.compile(
    r".[A-HJ-Z][·•‧・.\- ]?(?P<rest>[A-HJ-NP-Z0-9]{4,6}[挂学警港澳领使試试超]?)(?![A-Za-z0-9])", re.IGNORECASE
)


def find_plate(text: str, at: int, out: list[Span]) -> int:
    """CN licence plates: a province, a letter and five characters (six: new energy), the last may be 警, 挂 or 港."""
    match = _PLATE.match(text, at)
    if match is None:
        return at + 1
    rest = match["rest"]
    if len(rest) < 5 or sum(character.isdigit() for character in rest) < 2:
        return at + 1
    named = is_named("CN_LICENSE_PLATE", text, at)
    if named or (text[at + 1].isupper() and rest.upper() == rest):
        out.append(Span(at, match.end(), "CN_LICENSE_PLATE", 0.97 if named else 0.85, NAME))
    return match.end()


_CN_CASE = re.compile(
    r"[（(〔\[【]\d{4}[）)〕\]】][\u4e00-\u9fff]{0,4}\d{0,4}[\u4e00-\u9fff]{0,4}"
    r"[民刑行执執赔賠破知商仲协协财财认認司][\u4e00-\u9fff]{0,4}(?:第)?\d{1,6}号?(?:之[一二三四五六七八九十]|-\d{1,3})?[号號]?"
)
_CASE = re.compile(
    r"(?i)(?:(?P<word>case|docket|cause|application|appl|petition|complaint|claim|matter|file|judgment|appeal)s?\s?)?"
    r"(?P<sign>(?:nos?|numbers?)\s?\.?\s?[:#]?|#|:)?\s{0,2}(?P<value>[A-Z0-9]{0,4}[:/-]?\d[A-Z0-9./:-]{2,24})"
)
_CASE_WORD = re.compile(
    r"(?i)\b(?:case|docket|cause|application|appl|petition|complaint|claim|matter|file|judgment|appeal)s?\.?\s?$"
)
_STRASBOURG = re.compile(r"\d{2,6}/\d{2}(?!\d)")
_ANOTHER = re.compile(r"(?:,\s|\s(?:and|&|or)\s|;\s)(?P<value>\d{2,6}/\d{2})(?!\d)")


def find_case(text: str, at: int, out: list[Span]) -> int:
    """Court files: ``Case No. 1:20-cv-01234``, ``application no. 28045/02``, and more of the latter behind it."""
    if at and text[at - 1].isalpha() and text[at - 1].isascii():
        return at + 1
    word = _CASE_WORD.search(text, max(0, at - 14), at)
    match = _CASE.match(text, word.start() if word else at)
    if match is None or not (match["word"] or match["sign"]):
        return at + 1
    value = match["value"].rstrip(".,:/-")
    start = match.start("value")
    strasbourg = _STRASBOURG.match(value) is not None
    digits = sum(character.isdigit() for character in value)
    formed = strasbourg or (match["word"] is not None and match["sign"] is not None and digits >= 4)
    if not formed or (digits == len(value) and digits < 5):
        return at + 1
    out.append(Span(start, start + len(value), "CASE_NUMBER", 0.8, NAME))
    end = start + len(value)
    while strasbourg and (more := _ANOTHER.match(text, end)) is not None:
        out.append(Span(more.start("value"), more.end(), "CASE_NUMBER", 0.8, NAME))
        end = more.end()
    return end


def find_cn_case(text: str, at: int, out: list[Span]) -> int:
    """（2019）京01民终1234号; ``at`` is the bracket or stands before the year."""
    match = _CN_CASE.match(text, at)
    if match is None or not match.group().endswith(("号", "號")):
        return at + 1
    out.append(Span(at, match.end(), "CASE_NUMBER", 0.9, NAME))
    return match.end()


_ACCOUNT = re.compile(
    r"(?i)(?:(?P<qq>qq)|(?P<wechat>微信|微訊|wechat|weixin|wx|vx)|"
    r"(?P<user>user\s?-?name|user\s?id|login|screen\s?name|handle|用户名|用戶名|账户名|昵称|登录名|微博|抖音|"
    r"telegram|twitter|instagram|skype|discord|snapchat|line\s?id|kakao))"
    r"(?P<link>(?:号码|號碼|号|號|账号|帳號|帐号|id|number|account|handle)?\s?(?:[:：=#@]|是|为|為|is|加)?\s{0,2}[\"'@“]?)"
    r"(?P<value>[A-Za-z0-9][A-Za-z0-9_.-]{2,39})"
)
_QQ = re.compile(r"[1-9]\d{4,11}")
_WECHAT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{5,19}")


def find_account(text: str, at: int, out: list[Span]) -> int:
    """QQ numbers, WeChat names and other account names behind their field."""
    if at and text[at - 1].isascii() and text[at - 1].isalnum():
        return at + 1
    match = _ACCOUNT.match(text, at)
    if match is None:
        return at + 1
    value = match["value"].rstrip(".-_")
    asked = match["link"].strip(" \"'“") != ""
    marked = any(not character.isalpha() for character in value)
    if match["qq"]:
        fits = _QQ.fullmatch(value) is not None
    elif match["wechat"]:
        fits = _WECHAT.fullmatch(value) is not None and (
            marked or match["link"].strip()[-1:] in {":", "：", "号", "號"}
        )
    else:
        fits = asked and marked and not value.isdigit()
    if fits:
        start = match.start("value")
        out.append(Span(start, start + len(value), "USERNAME", 0.8, NAME))
    return match.start("value") + 1


_PASSPORT = re.compile(r"(?:[A-Za-z]\d{8}|\d{9}|[A-Za-z]{2}\d{7})(?![A-Za-z0-9])", re.ASCII)


def find_passports(run: Run, out: list[Span]) -> None:
    """Passport numbers behind a word for passport: nine characters, of which the first two may be letters."""
    start = _start_of_word(run, letters=2)
    match = _PASSPORT.match(run.text, start)
    if match is None or (not is_named("US_PASSPORT", run.text, start) and not is_named("CN_PASSPORT", run.text, start)):
        return
    chinese = match.group()[0].upper() in "EGDSPHKM" and not match.group().isdigit()
    if (chinese and "护照" in left_of(run.text, start)) or "護照" in left_of(run.text, start):
        out.append(Span(start, match.end(), "CN_PASSPORT", 0.9, NAME))
    else:
        out.append(Span(start, match.end(), "US_PASSPORT", 0.85, NAME))
        if chinese:
            out.append(Span(start, match.end(), "CN_PASSPORT", 0.8, NAME))


_WORD_CHARACTERS = re.compile(r"(?:[A-Za-z0-9]|[-/](?=[A-Za-z0-9]))+")
_STATE_CODE = re.compile(r"[A-Z]{2}-(?P<kind>DL|ID|PP|PID)-\d{5,14}(?![A-Za-z0-9])")


def find_named_ids(run: Run, out: list[Span]) -> None:
    """Whatever numbers a driver's licence, a customer, a patient or a soldier, behind the word for it."""
    text = run.text
    start = _start_of_word(run, letters=8)
    match = _WORD_CHARACTERS.match(text, start)
    if match is None or not 7 <= len(match.group()) <= 24 or match.end() < run.start:
        return
    end = match.end()
    if coded := _STATE_CODE.match(text, start):
        label = "US_DRIVER_LICENSE" if coded["kind"] == "DL" else "ID_NUMBER"
        out.append(Span(start, coded.end(), label, 0.8, NAME))
    elif is_named("US_DRIVER_LICENSE", text, start):
        out.append(Span(start, end, "US_DRIVER_LICENSE", 0.7, NAME))
    elif is_named("ID_NUMBER", text, start) and not _is_short(left_of(text, start), end - start):
        out.append(Span(start, end, "ID_NUMBER", 0.75, NAME))


_MILITARY = ("军字第", "武字第", "士兵证", "兵证", "军官证", "军人证")


def _is_short(left: str, length: int) -> bool:
    """An IMEI has fifteen or sixteen digits, a soldier's number eight."""
    return ("imei" in left and not 15 <= length <= 16) or (length < 8 and any(word in left for word in _MILITARY))


def _start_of_word(run: Run, *, letters: int) -> int:
    """Where the letters, digits and hyphens that touch the run begin, at most ``letters`` before it."""
    start = run.start
    while start and run.start - start < letters:
        before = run.text[start - 1]
        if not (before.isascii() and before.isalnum()) and not (before == "-" and run.text[start].isalnum()):
            break
        start -= 1
    while start < run.start and run.text[start] == "-":
        start += 1
    return start


_DEA = re.compile(r"[ABCDEFGHJKLMNPRSTUX][A-Z9]\d{7}(?![A-Za-z0-9])", re.IGNORECASE | re.ASCII)


def find_medical_licenses(run: Run, out: list[Span]) -> None:
    """US DEA registration numbers: check digit, or the words for one before."""
    start = _start_of_word(run, letters=2)
    match = _DEA.match(run.text, start)
    if match is None:
        return
    named = is_named("MEDICAL_LICENSE", run.text, start)
    if passes_dea(match.group()):
        out.append(Span(start, match.end(), "MEDICAL_LICENSE", 0.95 if named else 0.55, NAME))
    elif named:
        out.append(Span(start, match.end(), "MEDICAL_LICENSE", 0.6, NAME))
