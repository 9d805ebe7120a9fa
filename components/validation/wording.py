"""What the expectations are called and mean, in English and Chinese, for the page."""

from __future__ import annotations

from typing import NamedTuple

from components.validation.report import State


class Words(NamedTuple):
    """One thing said in both languages."""

    en: str
    zh: str


class Wording(NamedTuple):
    """An expectation's title and what it means."""

    title: Words
    meaning: Words


_LANGUAGES = {"en": Words("English", "英文"), "zh": Words("Chinese", "中文")}

_EXPECTATIONS = {
    "rows": Wording(
        Words("Enough records", "记录数足够"),
        Words("Too small a corpus proves nothing.", "语料太小，什么也说明不了。"),
    ),
    "text_missing": Wording(
        Words("Records without text", "缺少文本的记录"),
        Words("Text absent, not a string, or blank.", "没有文本、不是字符串或为空白。"),
    ),
    "id_missing": Wording(
        Words("Records without an id", "缺少编号的记录"),
        Words("Every record needs an id to be traced by.", "每条记录都要有可追溯的编号。"),
    ),
    "id_repeated": Wording(
        Words("Repeated ids", "重复的编号"),
        Words("Records whose id stood before, in any shard.", "编号已在前面（任一分片）出现过的记录。"),
    ),
    "length_outliers": Wording(
        Words("Unusual lengths", "长度异常"),
        Words("Texts shorter or longer than the limits allow.", "短于下限或长于上限的文本。"),
    ),
    "wrong_language": Wording(
        Words("Wrong language", "语言不符"),
        Words(
            "In no language that is wanted, or not in the one the record names.",
            "不是所需语言，或与记录所标语言不一致。",
        ),
    ),
    "duplicates": Wording(
        Words("Duplicates", "重复文本"),
        Words("Texts that stood before, ignoring case and white space.", "忽略大小写和空白后，前面已经出现过的文本。"),
    ),
    "residual_personal_data": Wording(
        Words("Remaining personal data", "残留的个人信息"),
        Words("Records in which a detector still finds personal data.", "检测器仍能找到个人信息的记录。"),
    ),
    "label_unknown": Wording(
        Words("Unknown labels", "未知标签"),
        Words("Labels that the config does not list.", "配置中没有列出的标签。"),
    ),
    "shards_unjudged": Wording(
        Words("Shards that could not be judged", "无法判断的分片"),
        Words("Empty or unreadable files.", "空文件或无法读取的文件。"),
    ),
}

REASONS = {
    "the corpus has no records": "语料中没有记录",
    "no record has a value here, so nothing can be said": "没有一条记录有可用的值，无法判断",
    "the expectation could not be evaluated": "该项无法计算",
    "a shard has no records, or they cannot be read": "有分片没有记录，或记录无法读取",
}

STATES = {
    State.PASS: Words("pass", "通过"),
    State.FAIL: Words("fail", "未通过"),
    State.ERROR: Words("could not be judged", "无法判断"),
}

VERDICTS = {
    State.PASS: Words("Every expectation holds.", "所有期望均满足。"),
    State.FAIL: Words("Some expectations do not hold.", "有期望未满足。"),
    State.ERROR: Words("Some expectations could not be judged, which is no pass.", "有期望无法判断，不算通过。"),
}

SUITES = {"quality": Words("Data quality", "数据质量"), "schema": Words("Schema check", "结构检查")}


def wording_of(name: str) -> Wording:
    """Title and meaning of an expectation; one that is not known here is called by its name."""
    if name in _EXPECTATIONS:
        return _EXPECTATIONS[name]
    language = _LANGUAGES.get(name.removeprefix("language_"))
    if name.startswith("language_") and language is not None:
        return Wording(
            Words(f"Share of {language.en}", f"{language.zh}所占比例"),
            Words(f"Records that are in {language.en}.", f"语言为{language.zh}的记录。"),
        )
    return Wording(Words(name, name), Words("", ""))
