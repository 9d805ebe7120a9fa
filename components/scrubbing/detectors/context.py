# ruff: noqa: E501 - Chinese characters count as two columns
"""Words around a number that say what it is, in English and Chinese (simplified and traditional).

A kind is named if one of its words stands before the number with no other digit between, or right behind it in a
phrase such as "13812345678 is my phone" or "是我的电话".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WIDTH = 56
_WIDTH_BEHIND = 14
_UP_TO_LAST_DIGIT = re.compile(r".*\d", re.DOTALL | re.ASCII)
_TOKEN = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Words:
    """Single English words, and phrases that are looked for anywhere: English ones, others (all in lower case)."""

    tokens: frozenset[str]
    phrases: tuple[str, ...]
    wide_phrases: tuple[str, ...]

    def in_text(self, text: str) -> bool:
        """Whether a lower-case text holds one."""
        if self.tokens and not self.tokens.isdisjoint(_TOKEN.findall(text)):
            return True
        for phrase in self.phrases:
            if phrase in text:
                return True
        return not text.isascii() and any(phrase in text for phrase in self.wide_phrases)


def _words(tokens: str, *phrases: str) -> Words:
    wide = tuple(phrase for phrase in phrases if not phrase.isascii())
    return Words(frozenset(tokens.split()), tuple(phrase for phrase in phrases if phrase.isascii()), wide)


CONTEXT: dict[str, Words] = {
    "CREDIT_CARD": _words(
        "card cards visa mastercard amex discover unionpay jcb maestro diners", "银行卡", "信用卡", "卡号", "行卡",
        "銀行卡", "卡號", "借记卡", "储蓄卡", "账号", "賬號", "帳號", "账户", "帐号",
    ),
    "CN_ID_CARD": _words(
        "", "身份证", "身分證", "身份證", "身份号码", "居民证", "证件号", "证件", "證件", "社保", "社会保障", "公民身份",
        "id card", "id number", "id no", "identity card", "identity number", "resident id", "national id",
        "identification number", "identification card", "驾驶证号", "户口",
    ),
    "US_SSN": _words("ssn ssns", "social security", "社会安全号", "社會安全", "社安号"),
    "US_ITIN": _words("itin itins", "taxpayer id", "individual taxpayer", "tax id", "纳税人识别"),
    "UK_NHS": _words("nhs", "health service number", "国民保健"),
    "UK_NINO": _words("nino", "national insurance", "ni number", "ni no", "国民保险"),
    "IBAN_CODE": _words("iban ibans", "国际银行账", "國際銀行"),
    "IP_ADDRESS": _words("ip ips ipv host server address client remote gateway dns ping login logged router from", "地址", "来源", "服务器", "主机"),
    "PHONE_NUMBER": _words(
        "phone phones telephone tel mobile cell cellphone fax desk call calls called calling text texted dial reach "
        "ring sms whatsapp hotline contact landline handset cellular telefon handy mob ph phoned telephoned voicemail "
        "extension pager rang",
        "messages to", "message to", "answering", "registered", "电话", "手机", "座机", "热线", "传真", "联系方式",
        "致电", "拨打", "來電", "来电", "電話", "手機", "聯繫方式", "聯絡", "联络", "联系", "携帯", "전화", "号码是",
        "短信", "簡訊", "微信", "专线",
    ),
    "US_PASSPORT": _words("passport passports"),
    "CN_PASSPORT": _words("passport passports", "护照", "護照"),
    "US_BANK_NUMBER": _words("acct aba", "bank account", "account number", "account no", "account #", "routing"),
    "US_DRIVER_LICENSE": _words("dl", "driver", "driving licen", "licence no", "license no", "license number",
        "licence number", "驾照", "驾驶证", "駕照", "駕駛執照"),
    "MEDICAL_LICENSE": _words("dea", "medical license", "medical licence", "prescriber", "执业医师", "医师资格"),
    "CN_SOCIAL_CREDIT_CODE": _words("uscc", "统一社会信用代码", "統一社會信用代碼", "social credit code"),
    "CN_LICENSE_PLATE": _words("plate", "车牌", "車牌", "牌照", "号牌", "车辆"),
    "CRYPTO": _words("btc bitcoin eth ethereum wallet crypto usdt trx tron litecoin doge address", "钱包", "比特币",
        "以太坊", "錢包"),
    "ID_NUMBER": _words(
        "imei mrn", "military id", "employee id", "employee no", "employee number", "customer id", "customer number",
        "customer no", "client id", "client number", "member id", "membership number", "member number", "patient id",
        "patient number", "student id", "student number", "national id", "user id", "staff id", "taxpayer", "tax id",
        "passport", "credentials", "medical record",
        "军字第", "武字第", "士兵证", "义务兵证", "军官证", "军人证", "警官证", "社保卡", "社保号", "社会保障", "医保",
        "工号", "学号", "學號", "病历号", "病歷號", "会员号", "客户号", "员工编号", "通行证", "通行證", "居住证", "港澳",
        "台胞证", "マイナンバー", "주민번호", "주민등록",
    ),
}  # fmt: skip

# What makes a number something else: an order, a version, a book; and what may stand between that word and it.
_OTHER = (
    "order", "invoice", "ticket", "case", "ref", "reference", "isbn", "issn", "doi", "pmid", "oclc", "version", "build",
    "model", "part", "serial", "sku", "tracking", "error", "page", "pages", "pp", "vol", "chapter", "line", "row", "item",
    "lot", "batch", "patent", "cas", "ean", "upc", "catalog", "catalogue", "asteroid",
    "订单", "訂單", "单", "單", "流水", "快递", "运单", "编", "編", "发票", "版本", "型", "批次", "条码", "货", "工单",
)  # fmt: skip
_QUALIFIERS = (" no", " number", " id", " code", "号码", "号", "號", "码")
_LINKS = " .:#：为是"


def left_of(text: str, start: int) -> str:
    """What stands before ``start``, back to the last digit, line pair or 56 characters, in lower case."""
    left = text[max(0, start - _WIDTH) : start]
    if (digit := _UP_TO_LAST_DIGIT.match(left)) is not None:
        left = left[digit.end() :]
    return left.rpartition("\n\n")[2].lower()


def is_named(kind: str, text: str, start: int, end: int | None = None) -> bool:
    """Whether a word for this kind stands before ``start``, or, given ``end``, right behind."""
    words = CONTEXT[kind]
    if words.in_text(left_of(text, start)):
        return True
    return end is not None and words.in_text(_right_of(text, end))


def _right_of(text: str, end: int) -> str:
    """The rest of the clause behind ``end``, if it opens like a statement about the value before."""
    right = text[end : end + 2 * _WIDTH_BEHIND].lower()
    if right.startswith(("是", "为", "為")):
        return re.split(r"[，。,.;；\d\n]", right, maxsplit=1)[0][:_WIDTH_BEHIND]
    if right.startswith((" is ", " was ", " (")):
        return re.split(r"[，。,.;；\d\n]", right, maxsplit=1)[0]
    return ""


def is_other(text: str, start: int) -> bool:
    """Whether the words right before ``start`` name an order, a version, a book or the like."""
    left = text[max(0, start - 24) : start].lower().rstrip(_LINKS)
    if left.endswith(_QUALIFIERS):
        left = left[: -max(len(word) for word in _QUALIFIERS if left.endswith(word))].rstrip(_LINKS)
    if not left.endswith(_OTHER):
        return False
    return any(left.endswith(word) and not (word.isascii() and left[: -len(word)][-1:].isalpha()) for word in _OTHER)
