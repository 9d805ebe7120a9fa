# ruff: noqa: E501 - Chinese characters count as two columns
"""Every shape with texts that must and must not match, in both languages."""

from __future__ import annotations

import pytest

from components.scrubbing.detectors.patterns import PatternDetector
from components.scrubbing.spans import resolve_spans

DETECTOR = PatternDetector()


def found(text: str, *labels: str, min_score: float = 0.5) -> list[str]:
    spans = [span for span in DETECTOR.detect(text, "en") if span.score >= min_score and span.label in labels]
    return [text[span.start : span.end] for span in resolve_spans(spans)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ana.ruiz+x@mail.example.co.uk.", ["ana.ruiz+x@mail.example.co.uk"]),
        ("邮箱zhang@example.com，谢谢", ["zhang@example.com"]),
        ("张三@example.com", ["张三@example.com"]),
        ("请发zhang@test.com查收", ["zhang@test.com"]),
        ("a@b.com and c@d.com", ["a@b.com", "c@d.com"]),
        ("mailto:'ana@example.com'", ["ana@example.com"]),
        ("root@[192.0.2.1] or root@192.0.2.1", ["root@[192.0.2.1]", "root@192.0.2.1"]),
        ("josé@example.es", ["josé@example.es"]),
        ("ｚｈａｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ", ["ｚｈａｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ"]),
        ("user..name@example.com .user@example.com", []),  # RFC 5322
        ("this is @ home, follow @name", []),
        ("a@b", []),
        ("", []),
    ],
)
def test_mail(text: str, expected: list[str]) -> None:
    assert found(text, "EMAIL_ADDRESS") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ana.ruiz at example dot com", ["ana.ruiz at example dot com"]),
        ("ana [at] example [dot] org please", ["ana [at] example [dot] org"]),
        ("ana(at)mail(dot)example(dot)co(dot)uk", ["ana(at)mail(dot)example(dot)co(dot)uk"]),
        ("ana dot ruiz at example dot com", ["ana dot ruiz at example dot com"]),
        ("write ana AT example DOT net", ["ana AT example DOT net"]),
        ("ana @ example . com", ["ana @ example . com"]),
        ("ana@ example.com", ["ana@ example.com"]),
        ("ana{at}example.com", ["ana{at}example.com"]),
        ("邮箱zhang艾特example点com", ["zhang艾特example点com"]),
        ("zhang（at）example.com", ["zhang（at）example.com"]),
        ("my email is john at example.com", ["john at example.com"]),
        ("meet me at example.com, follow us @example.com", []),
        ("look at the dot com boom", []),
        ("the price at Acme dot Smith", []),
    ],
)
def test_hidden_mail(text: str, expected: list[str]) -> None:
    assert found(text, "EMAIL_ADDRESS") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://example.org/a?b=1, then", ["https://example.org/a?b=1"]),
        ("照片在https://example.org/p/12上。", ["https://example.org/p/12"]),
        ("(https://example.org/wiki/A_(b))", ["https://example.org/wiki/A_(b)"]),
        ("go to www.example.com.", ["www.example.com"]),
        ("example.com/path is ours, example.com:8080 too", ["example.com/path", "example.com:8080"]),
        ("postgres://ana:s3cret@db.example.com/x", ["postgres://ana:s3cret@db.example.com/x"]),
        ("my site example.se and shop.example.co.za", ["example.se", "shop.example.co.za"]),
        ("end of sentence.Com it is", []),
        ("the end.in the beginning, run.py, e.g. this, U.S.de", []),
        ("version 1.2.3 of e.g. this", []),
        ("a://b", []),
    ],
)
def test_urls(text: str, expected: list[str]) -> None:
    assert found(text, "URL") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 192.0.2.185 again", ["192.0.2.185"]),
        ("服务器IP是192.168.1.100", ["192.168.1.100"]),
        ("gateway 10.0.0.1, dns 8.8.8.8", ["10.0.0.1", "8.8.8.8"]),
        ("IP: 1.2.3.4", ["1.2.3.4"]),
        ("common metre 8.6.8.6 verse", []),
        ("256.1.2.3", []),
        ("version 1.2.3.4 released, firmware 192.168.1.1", []),
        ("1.2.3.4.5", []),
        ("地址 ::1 是本机", ["::1"]),
        ("host 2001:db8:85a3::8a2e:370:7334 up", ["2001:db8:85a3::8a2e:370:7334"]),
        ("::ffff:192.0.2.1", ["::ffff:192.0.2.1"]),
        ("at 12:30:45 sharp", []),
        ("std::vector and a::b", []),
        (":::1", []),
    ],
)
def test_ip_addresses(text: str, expected: list[str]) -> None:
    assert found(text, "IP_ADDRESS") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MAC地址AA:BB:CC:DD:EE:FF", ["AA:BB:CC:DD:EE:FF"]),
        ("aa-bb-cc-dd-ee-0f", ["aa-bb-cc-dd-ee-0f"]),
        ("0011.22aa.bb33 up", ["0011.22aa.bb33"]),
        ("AA:BB:CC:DD:EE", []),
        ("1234.5678.9012", []),
        ("AA:BB-CC:DD:EE:FF", []),
    ],
)
def test_mac_addresses(text: str, expected: list[str]) -> None:
    assert found(text, "MAC_ADDRESS") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card 4111-1111-1111-1111 exp 12/25", ["4111-1111-1111-1111"]),
        ("4111 1111 1111 1111 12/25", ["4111 1111 1111 1111"]),
        ("41111 11111 11111 1", ["41111 11111 11111 1"]),  # grouped by nobody's habit
        ("银行卡4111111111111111", ["4111111111111111"]),
        ("４１１１１１１１１１１１１１１１", ["４１１１１１１１１１１１１１１１"]),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", ["4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"]),
        ("4 2 4 2 5 6 7 8 9 0 1 2 3 4 5 9", []),  # Luhn fails, unnamed
        ("378282246310005", ["378282246310005"]),  # American Express test number
        ("4111-1111-1111-1112", []),  # Luhn fails
        ("9999999999999995", []),  # Luhn holds, no issuer
        ("卡号6217001234567890", ["6217001234567890"]),  # Luhn fails, the word names it
    ],
)
def test_cards(text: str, expected: list[str]) -> None:
    assert found(text, "CREDIT_CARD") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("身份证11010119900307002X", ["11010119900307002X"]),
        ("号码110101199003074610，请核实", ["110101199003074610"]),
        ("身份证 110101 19900307 4610", ["110101 19900307 4610"]),
        ("身份证1101 0119 9003 0746 10", ["1101 0119 9003 0746 10"]),
        ("１１０１０１１９９００３０７４６１０", ["１１０１０１１９９００３０７４６１０"]),
        ("1 1 0 1 0 1 1 9 9 0 0 3 0 7 4 6 1 0", ["1 1 0 1 0 1 1 9 9 0 0 3 0 7 4 6 1 0"]),
        ("一一零一零一一九九零零三零七四六一零", ["一一零一零一一九九零零三零七四六一零"]),
        ("110101199003071235", []),  # wrong check digit, nothing names it
        ("身份证号110101199003071235", ["110101199003071235"]),  # wrong check digit, named
        ("110101199003071235是我的身份证号", ["110101199003071235"]),
        ("his ID card number is 988175197205128115", ["988175197205128115"]),  # not even a province
        ("110101199013074610", []),  # month 13
        ("000000199003074610", []),  # no such province
        ("ID card no. 110101900307123", ["110101900307123"]),  # 15 digits, named
        ("110101900307123", []),
    ],
)
def test_cn_ids(text: str, expected: list[str]) -> None:
    assert found(text, "CN_ID_CARD") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SSN is 123-45-6789.", ["123-45-6789"]),
        ("123-45-6789", ["123-45-6789"]),
        ("SSN 123456789", ["123456789"]),
        ("SSN: 12 345 6789", ["12 345 6789"]),
        ("SSN: 666-45-6789", ["666-45-6789"]),  # no such area, but the form says what it is
        ("SSN 666-45-6789", []),
        ("123456789", []),
        ("reference code 036-83-1007", ["036-83-1007"]),
        ("000-45-6789 666-45-6789 900-45-6789 123-00-6789 123-45-0000", []),
        ("12-345-6789", []),
    ],
)
def test_ssns(text: str, expected: list[str]) -> None:
    assert found(text, "US_SSN") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00 PLEASE", ["DE89 3704 0044 0532 0130 00"]),
        ("GB29NWBK60161331926819", ["GB29NWBK60161331926819"]),
        ("IBAN: DE00370400440532013000", ["DE00370400440532013000"]),  # remainder fails, named
        ("DE00370400440532013000", []),
        ("ZZ89370400440532013000", []),
        ("DE8937", []),
    ],
)
def test_ibans(text: str, expected: list[str]) -> None:
    assert found(text, "IBAN_CODE") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Call (555) 123-4567 now", ["(555) 123-4567"]),
        ("+1 415-555-0153", ["+1 415-555-0153"]),
        ("my mobile: +447700 921 916", ["+447700 921 916"]),
        ("Mobile: 03.93.92.16.85", ["03.93.92.16.85"]),
        ("ext: 683.927.0468x12287", ["683.927.0468x12287"]),
        ("phone (0575 842 2615)", ["0575 842 2615"]),
        ("call 415-555-0153 415-555-0154", ["415-555-0153", "415-555-0154"]),
        ("电话：13812345678。", ["13812345678"]),
        ("138-1234-5678", ["138-1234-5678"]),
        ("座机010-12345678", ["010-12345678"]),
        ("一三八一二三四五六七八", ["一三八一二三四五六七八"]),
        ("手机幺三八 一二三四 五六七八", ["幺三八 一二三四 五六七八"]),
        ("1 3 8 1 2 3 4 5 6 7 8", ["1 3 8 1 2 3 4 5 6 7 8"]),
        ("1.3.8.1.2.3.4.5.6.7.8", ["1.3.8.1.2.3.4.5.6.7.8"]),
        ("１３８１２３４５６７８", ["１３８１２３４５６７８"]),
        ("138\u200b1234\u200b5678", ["138\u200b1234\u200b5678"]),
        ("١٣٨١٢٣٤٥٦٧٨", ["١٣٨١٢٣٤٥٦٧٨"]),
        ("客服热线400-123-4567", ["400-123-4567"]),
        ("reached on 6505551234 or 02079460123 then", ["6505551234", "02079460123"]),
        ("id 6505551, part no. 6505551234, 9995551234", []),
        ("order 1234567890 of 2024-01-02", []),
        ("138123456789", []),
        ("10012345678", []),
        ("555-1234", []),
        ("1 000 000 people", []),
        ("2001-2002 season, 533.45 (2004), 56 (1925) 120-129", []),
        ("二零二四年一月，三点一四一五九二六", []),
        ("0 1 0 2 0 0 3 1 0", []),
    ],
)
def test_phones(text: str, expected: list[str]) -> None:
    assert found(text, "PHONE_NUMBER") == expected


@pytest.mark.parametrize(
    ("label", "text", "expected"),
    [
        ("US_ITIN", "ITIN 912-70-1234", ["912-70-1234"]),
        ("US_ITIN", "ITIN 912-69-1234", []),
        ("US_ITIN", "912-70-1234", []),
        ("UK_NHS", "NHS number 943 476 5919", ["943 476 5919"]),  # the data dictionary's example
        ("UK_NHS", "NHS number 943 476 5918", ["943 476 5918"]),
        ("UK_NHS", "943 476 5919", []),
        ("UK_NINO", "NI number AB 12 34 56 C", ["AB 12 34 56 C"]),
        ("UK_NINO", "QQ123456C BG123456A ab123456c", []),
        ("CN_SOCIAL_CREDIT_CODE", "代码：91110108MA01YBNX62", ["91110108MA01YBNX62"]),
        ("CN_SOCIAL_CREDIT_CODE", "统一社会信用代码91110108MA01YBNX6A", ["91110108MA01YBNX6A"]),
        ("CN_SOCIAL_CREDIT_CODE", "91110108MA01YBNX6A 9I110108MA01YBNX62 111111111111111111", []),
        ("CN_LICENSE_PLATE", "车牌京A12345停在", ["京A12345"]),
        ("CN_LICENSE_PLATE", "粤B·12345 沪AF01234 川A123AB 苏E1234警", ["粤B·12345", "沪AF01234", "川A123AB", "苏E1234警"]),
        ("CN_LICENSE_PLATE", "京A123 中A12345 京ABCDEF 川A1234567", []),
        ("CN_PASSPORT", "护照号G12345678", ["G12345678"]),
        ("CN_PASSPORT", "编号G12345678的订单", []),
        ("US_PASSPORT", "passport number C12345678 or 684562398", ["C12345678"]),
        ("US_PASSPORT", "passport C1234567 C12345678x", []),
        ("US_DRIVER_LICENSE", "driver's license AU-DL-968789017249", ["AU-DL-968789017249"]),
        ("US_DRIVER_LICENSE", "driver license D1234567", ["D1234567"]),
        ("US_BANK_NUMBER", "bank account 000123456789", ["000123456789"]),
        ("US_BANK_NUMBER", "000123456789", []),
        ("MEDICAL_LICENSE", "DEA BB1388568", ["BB1388568"]),  # a published test number
        ("MEDICAL_LICENSE", "code BB1388567", []),
        ("CN_BANK_CARD", "卡号6217001234567890", ["6217001234567890"]),
        ("CN_BANK_CARD", "卡号4111111111111111", []),
        ("ID_NUMBER", "IMEI: 353456789012345", ["353456789012345"]),
        ("ID_NUMBER", "IMEI: 35345678901234", []),
        ("ID_NUMBER", "军字第12345678号", ["12345678"]),
        ("ID_NUMBER", "마이 주민번호900307-1234567", ["900307-1234567"]),
        ("CASE_NUMBER", "applications nos. 28045/02 and 1234/03", ["28045/02", "1234/03"]),
        ("CASE_NUMBER", "Case No. 1:20-cv-01234", ["1:20-cv-01234"]),
        ("CASE_NUMBER", "（2019）京01民终1234号判决", ["（2019）京01民终1234号"]),
        ("CASE_NUMBER", "No. 1 hit, (2019) 12, case number", []),
        ("USERNAME", "我的微信：zhangsan_2024", ["zhangsan_2024"]),
        ("USERNAME", "QQ:10001, 微信号wxid_abc123", ["10001", "wxid_abc123"]),
        ("USERNAME", "@tina996 : hello", ["tina996"]),
        ("USERNAME", "QQ:1234 微信号123abc 微信支付 mail a@b.com", []),
        ("CRYPTO", "send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"]),  # genesis
        ("CRYPTO", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"]),
        ("CRYPTO", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"]),
        ("CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", []),
        ("CRYPTO", "my BTC wallet 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"]),
        ("SECRET", "AWS AKIAIOSFODNN7EXAMPLE", ["AKIAIOSFODNN7EXAMPLE"]),
        ("SECRET", "akiaIOSFODNN7EXAMPLE sk-short123 ghx_0000000000000000000000000000000000FAKE", []),
        ("SECRET", "TOKEN=ghp_0000000000000000000000000000000000FAKE", ["ghp_0000000000000000000000000000000000FAKE"]),
        ("SECRET", "eyJABC.eyJDEF.GHIJKL", []),
        ("SECRET", "password: hunter2!", ["hunter2!"]),
        ("SECRET", 'api_key = "a8f5f167f44f4964e6c998dee827110c"', ["a8f5f167f44f4964e6c998dee827110c"]),
        ("SECRET", "密码是abc12345，", ["abc12345"]),
        ("SECRET", "password: required, password = None, the password is strong, token: str", []),
        ("SECRET", "mysql://ana:s3cret@db", ["ana:s3cret"]),
    ],
)  # fmt: skip
def test_documents_accounts_and_keys(label: str, text: str, expected: list[str]) -> None:
    assert found(text, label) == expected


def test_only_the_labels_asked_for_come_out() -> None:
    text = "ana@example.com 13812345678 4111111111111111 AKIAIOSFODNN7EXAMPLE"
    assert {span.label for span in PatternDetector({"CREDIT_CARD"}).detect(text, "en")} == {"CREDIT_CARD"}
    assert PatternDetector({"PERSON"}).detect(text, "en") == ()
    assert PatternDetector({"CREDIT_CARD"}).labels == {"CREDIT_CARD"}


def test_offsets_count_code_points_behind_every_width_of_character() -> None:
    for filler in ("a", "é", "中", "😀", "\ud800", "１"):
        text = f"{filler * 7} mail ana@example.com 電話13812345678"
        spans = resolve_spans(DETECTOR.detect(text, "zh"))
        assert [text[s.start : s.end] for s in spans if s.label in {"EMAIL_ADDRESS", "PHONE_NUMBER"}] == [
            "ana@example.com",
            "13812345678",
        ]
