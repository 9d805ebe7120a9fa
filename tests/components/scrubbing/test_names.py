"""Names by context: what must be found, and ordinary texts in which nothing is."""

from __future__ import annotations

import pytest

from components.scrubbing.detectors.names import NameDetector

DETECTOR = NameDetector(("en", "zh"))


def names(text: str, lang: str) -> list[str]:
    spans = sorted(DETECTOR.detect(text, lang), key=lambda span: (span.start, -span.end))
    kept: list[tuple[int, int]] = []
    for span in spans:
        if not kept or span.start >= kept[-1][1]:
            kept.append((span.start, span.end))
    return [text[start:end] for start, end in kept]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I met Mr. Pálffy and Dr Ana M. Ruiz yesterday.", ["Pálffy", "Ana M. Ruiz"]),
        ("My name is Grace Mercer and you can write to me.", ["Grace Mercer"]),
        ("my name is rubija", ["rubija"]),
        ("Dear John,\nplease help.\nBest regards,\nOlga van der Berg", ["John", "Olga van der Berg"]),
        ("Contact: Olivia Norton, phone below.", ["Olivia Norton"]),
        ("I asked my brother Tom about it.", ["Tom"]),
        ("Questions go to Peter Quigley, please.", ["Peter Quigley"]),
        ("I am Grace Ellison and I post pictures.", ["Grace Ellison"]),
        ("Signed, Maria Lopez", ["Maria Lopez"]),
        ("Dear Sir or Madam,", []),
        ("Dear Customer, my name is not listed.", []),
        ("I am Canadian. She said Monday was fine.", []),
        ("Hello World is a program from New York.", []),
        ("Best wishes for the Gordon Terrace project.", []),
        ("THE TEAM MEETS ON MONDAY", []),
        ("", []),
    ],
)
def test_english(text: str, expected: list[str]) -> None:
    assert names(text, "en") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("请联系刘伟先生", ["刘伟"]),
        ("请联系张经理，谢谢", ["张"]),
        ("赵敏女士和欧阳娜娜老师", ["赵敏", "欧阳娜娜"]),
        ("姓名：马超，身份证", ["马超"]),
        ("我叫李芳，可以写邮件", ["李芳"]),
        ("联系人王小明，电话", ["王小明"]),
        ("患者李芳因头痛就诊", ["李芳"]),
        ("张三13812345678", ["张三"]),
        ("我的邻居何敏也有一个。", ["何敏"]),
        ("聯絡人：陳大文，電話", ["陳大文"]),
        ("感谢王老师", ["王"]),
        ("来自东田的一位女士写道", []),
        ("唐朝是中国历史上的伟大朝代", []),
        ("客户方面的要求，用户任何时间可以用", []),
        ("由于经理不在，对于先生来说", []),
        ("这个方案不错，黄山风景区很漂亮", []),
        ("他是一位语文老师", []),
    ],
)
def test_chinese(text: str, expected: list[str]) -> None:
    assert names(text, "zh") == expected


def test_rules_of_other_languages_stay_off() -> None:
    assert not list(NameDetector(("zh",)).detect("My name is Grace Mercer.", "en"))
    assert not list(NameDetector(("en",)).detect("我叫李芳，你好", "zh"))


@pytest.mark.parametrize("before", ["", "x " * 40])
def test_a_second_look_is_at_what_sees_a_hole(before: str) -> None:
    """Far from every hole nothing changed since the first look, so it is not judged again."""
    text = f"Dr. Ana Ruiz left. {before}\ufffc said hello."
    again = [text[span.start : span.end] for span in DETECTOR.detect_again(text, "en")]
    assert names(text, "en") == ["Ana Ruiz"]
    assert again == ([] if before else ["Ana Ruiz"])
