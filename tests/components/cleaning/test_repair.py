"""Encoding repair: what is undone, and that text in order is never touched."""

from __future__ import annotations

import gzip
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testkit import shared_data

from components.cleaning.normalise import normalise_text
from components.cleaning.repair import repair_encoding

CHINESE = ["北京市朝阳区", "谢谢", "中文乱码测试，真的。", "我们星期二去了公园，天气很好。"]
ENGLISH = ["café au lait — “quoted”", "£5 for the naïve", "don’t", "schön 😀"]


@pytest.mark.parametrize("text", ENGLISH + CHINESE)
@pytest.mark.parametrize("codec", ["latin-1", "cp1252"])
def test_utf8_read_as_single_bytes_is_undone(text: str, codec: str) -> None:
    data = text.encode("utf-8")
    try:
        broken = data.decode(codec)
    except UnicodeDecodeError:
        pytest.skip("these bytes are not in the codec")
    assert repair_encoding(broken) == text


@pytest.mark.parametrize("text", ["北京市朝阳区", "谢谢", "中文乱码测试"])
def test_utf8_read_as_gbk_is_undone(text: str) -> None:
    assert repair_encoding(text.encode("utf-8").decode("gb18030")) == text


def test_what_a_wrong_reading_destroyed_stays_marked() -> None:
    broken = "你好，世界".encode().decode("gb18030", "replace")
    assert "\ufffd" in broken
    assert repair_encoding(f"see {broken} now") == "see 你好，世\ufffd now"


@pytest.mark.parametrize("text", ["中文乱码测试", "我们今天很高兴"])
def test_gb2312_read_as_latin1_is_undone(text: str) -> None:
    assert repair_encoding(f"> {text.encode('gb2312').decode('latin-1')} <") == f"> {text} <"


@pytest.mark.parametrize(
    "text",
    [
        "联通", "voilà «ici»", "ÀÂÃÄÅÆ", "à la carte", "Ærøskøbing", "日本語のテキスト", "한국어", "😀👩\u200d💻",
        "Ünïcödé", "Привет, мир", "《紅樓夢》", "ÿþ", "Größe 5 € — “ok”…", "璋璜阿",
    ],
)  # fmt: skip
def test_text_in_order_is_left_alone(text: str) -> None:
    assert repair_encoding(text) == text


@given(st.one_of(st.text(), st.text("ÃâÄ€™鍖椾含京é ã\x80\x94\ufffd", max_size=15)))
def test_twice_is_once(text: str) -> None:
    once = repair_encoding(text)
    assert repair_encoding(once) == once


@given(st.text(st.characters(codec="ascii")))
def test_ascii_is_left_alone(text: str) -> None:
    assert repair_encoding(text) == text


@pytest.mark.shared_data
def test_no_paragraph_of_wikipedia_is_changed() -> None:
    """Neither simplified and traditional Chinese nor English, 4,000 paragraphs of each, holds anything broken."""
    paths = [next(shared_data(name).rglob("*wiki*0*.gz")) for name in ("zhwiki-extracts", "enwiki-core")]
    lines = [line for path in paths for line in gzip.decompress(path.read_bytes()).decode().split("\n")[:4_000]]
    assert len(lines) > 3_000
    assert [number for number, line in enumerate(lines) if repair_encoding(line) != line] == []


@pytest.mark.parametrize(
    "piece",
    ["Ã", "ÃƒÂ©", "鍖椾含", "\ufffd鍖椾含", "\u200d", "👩\u200d", "e\u0301", "\U000e0067", " \n", "\u094d\u200d"],
)
def test_adversarial_text_takes_time_in_proportion(piece: str) -> None:
    """200,000 characters each: 0.6 s of processor time at most when this was written, the bound is ten times that."""
    text = piece * (200_000 // len(piece))
    started = time.process_time()
    normalise_text(repair_encoding(text))
    assert time.process_time() - started < 6
