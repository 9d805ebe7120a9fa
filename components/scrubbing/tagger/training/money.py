"""Sums of money as people write them, in both languages."""

from __future__ import annotations

import re

_AMOUNT = r"\d[\d.,]*\d|\d"
_CODE = "USD|EUR|GBP|CHF|SEK|NOK|DKK|PLN|CZK|HUF|TRL|TRY|YTL|FRF|ITL|DEM|ATS|SKK|ROL|JPY|CNY|RMB|HKD|CAD|AUD|INR"
_UNIT = (
    "euros?|dollars?|pounds?(?: sterling)?|(?:[A-Z][a-z]+ )?(?:francs?|liras?|kron(?:or|er|a|e)|marks?|schillings?"
    "|zlotys?|rou?bles?|yen|yuan|rupees?)"
)
_MANY = "(?: (?:million|billion))?"
MONEY_EN = re.compile(
    rf"[$€£¥₤₹] ?(?:{_AMOUNT})(?: ?(?:million|billion|thousand|[mkMK]\b))?"
    rf"|\b(?:{_CODE}) ?(?:{_AMOUNT}){_MANY}|\b(?:{_AMOUNT}){_MANY} (?:{_CODE}|{_UNIT})\b"
)
MONEY_ZH = re.compile(
    r"(?:人民币|[$€£¥￥])?(?:\d[\d.,]*|[一二三四五六七八九十百千零两]+)[十百千万亿]{0,3}余?"
    r"(?:美元|欧元|英镑|港元|日元|韩元|元|块钱)"
)
