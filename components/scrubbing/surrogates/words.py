"""Surrogates of places, firms, addresses, e-mail, URLs and user names: generic words stay, every other one is coined.

``Mercer & Sons Ltd, 14 Baker Street`` → ``Halerwick & Fenbrose Ltd, 72 Corringwold Street``. Domains become
example.com, .org or .net (RFC 2606), so no address can be reached.
"""

from __future__ import annotations

import re

from components.scrubbing.surrogates.keyed import Keyed
from components.scrubbing.surrogates.names import NameMaker, match_case, to_simplified, to_traditional
from components.scrubbing.surrogates.shapes import is_sealed, make_shape
from components.scrubbing.surrogates.vocabulary import Vocabulary, plain, words_of

_LATIN = r"A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
_TOKEN = re.compile(rf"[0-9{_LATIN}]+(?:['’][{_LATIN}]+)?|[\u3400-\u9fff]+")
_HAN = re.compile(r"[\u3400-\u9fff]")
_RESERVED = ("example.com", "example.org", "example.net")

# Words that say what a thing is and not which one.
_GENERIC = frozenset(
    words_of("""
    st street rd road ave avenue ln lane way dr drive terrace place court ct sq square park hill hills bridge river lake
    bay beach blvd boulevard highway hwy route apt apartment suite unit floor flat room building box po county city town
    village district province state north south east west n s e w ne nw se sw upper lower new old saint island islands
    university college school institute academy hospital clinic church airport station hotel museum library stadium
    inc ltd llc plc corp corporation company co gmbh ag sa group partners bank trust fund foundation association society
    council committee commission court ministry department office agency bureau union party federation club team
    international national global general first united services service solutions systems technologies technology
    industries holdings capital insurance media press news times post daily the of and for in at on to a an de la le
    supreme district house hall centre center court royal federal central
""")
)
_GENERIC_HAN = re.compile(
    "(有限责任公司|股份有限公司|有限公司|分公司|公司|集团|集團|银行|銀行|大学|大學|学院|學院|中学|中學|小学|小學|医院|醫院|法院|检察院|"
    "派出所|公安局|委员会|委員會|研究院|研究所|事务所|自治区|自治州|特别行政区|开发区|街道|社区|小区|花园|大厦|大廈|广场|广場|"
    "大道|胡同|单元|單元|人民|中国|中國|中华|省|市|区|區|县|縣|镇|鎮|乡|鄉|村|路|街|巷|弄|号|號|栋|棟|座|楼|樓|层|層|室|盟|旗|"
    "局|部|厅|廳|院|店|厂|廠|[东西南北中](?=[路街巷区门])|[〇零一二三四五六七八九十]+(?=[路街号楼层室栋座巷弄单]))"
)
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://)?(?P<www>www\.)?(?P<rest>.*)", re.DOTALL)
_MADE_URL = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.\-]*://)?(?:www\.)?(?P<host>[a-z]+)\.example\.(?:com|org|net)(?:/(?P<path>[a-z]+))?"
)
_MAIL_PART = re.compile(rf"[{_LATIN}]+|[0-9]+")
_GENERIC_MAIL = frozenset(
    words_of("info mail office support admin sales contact help team hr jobs hello press billing")
)


class WordMaker:
    """Everything that is made of words but names of persons."""

    def __init__(self, keyed: Keyed, vocabulary: Vocabulary, names: NameMaker) -> None:
        """All three must belong to the same key."""
        self._keyed, self._words, self._names = keyed, vocabulary, names

    def make_phrase(self, value: str) -> str | None:
        """A place, a firm or a street address; None where nothing in it could be told apart again."""
        made = _TOKEN.sub(lambda match: self._make_token(match.group()), value)
        return made if self.recognises_phrase(made) else make_shape(value, self._keyed, kind="phrase")

    def recognises_phrase(self, value: str) -> bool:
        """Whether every word that is not generic is coined, and at least one is; or the whole is sealed."""
        telling = [word for token in _TOKEN.findall(value) for word in _telling_parts(token)]
        if not telling:
            return is_sealed(value, self._keyed, "phrase")
        return all(map(self._is_coined, telling)) or is_sealed(value, self._keyed, "phrase")

    def _make_token(self, token: str) -> str:
        if token.isdigit():
            return self._keyed.digits(len(token), "phrase digits", token)
        if any(symbol.isdigit() for symbol in token):
            return _drawn_like(token, self._keyed)
        if not _HAN.match(token):
            return token if _is_generic(token) else match_case(self._words.coin(token), token)
        simple = to_simplified(token)
        parts = [part if generic else self._coin_han(part) for part, generic in _han_parts(simple)]
        return to_traditional("".join(parts)) if simple != token else "".join(parts)

    def _coin_han(self, part: str) -> str:
        return self._words.coin_han(part if len(part) > 1 else part * 2)  # one character leaves no room for a seal

    def _is_coined(self, word: str) -> bool:
        return self._words.is_coined_han(word) if _HAN.match(word) else plain(word) in self._words.coined_words

    def make_email(self, value: str) -> str:
        """``grace.mercer@firm.com`` → ``tara.halerwick@example.com``: the words of a person's name as in the text."""
        local, _, domain = value.partition("@")
        parts = _MAIL_PART.findall(local)
        if not any(self._is_telling(part) for part in parts):
            made = self._words.coin("mail" + local)
        else:
            made = _MAIL_PART.sub(lambda match: self._make_mail_part(match.group()), re.sub(r"[^\w.+\-]", "", local))
        top = domain.rpartition(".")[2].casefold()
        same = f"example.{top}"
        host = same if same in _RESERVED else self._keyed.choose(_RESERVED, "domain", domain.casefold())
        return f"{made}@{host}"

    def recognises_email(self, value: str) -> bool:
        """At a reserved domain, and every telling word of the local part a surrogate's."""
        local, _, domain = value.partition("@")
        telling = [part for part in _MAIL_PART.findall(local) if self._is_telling(part)]
        return domain.casefold() in _RESERVED and bool(telling) and all(map(self._names.is_made_word, telling))

    def _is_telling(self, part: str) -> bool:
        return part.isalpha() and len(part) > 2 and part.casefold() not in _GENERIC_MAIL

    def _make_mail_part(self, part: str) -> str:
        if part.isdigit():
            return self._keyed.digits(len(part), "mail digits", part)
        if not self._is_telling(part):
            return part if part.casefold() in _GENERIC_MAIL else _drawn_like(part, self._keyed)
        return match_case(self._names.make_word(part), part)

    def make_url(self, value: str) -> str:
        """Scheme and www. kept, a coined host under a reserved domain, one coined word for a path."""
        match = _URL.fullmatch(value)
        rest = match["rest"] if match else value
        host, _, path = rest.partition("/")
        host = host.rpartition("@")[2].casefold()
        top = self._keyed.choose(_RESERVED, "url", host)
        made = f"{(match and match['scheme']) or ''}{(match and match['www']) or ''}{self._words.coin(host)}.{top}"
        return f"{made}/{self._words.coin('path' + path)}" if path else made

    def recognises_url(self, value: str) -> bool:
        """Host and path are coined."""
        match = _MADE_URL.fullmatch(value)
        words = self._words.coined_words
        return match is not None and match["host"] in words and (match["path"] is None or match["path"] in words)

    def make_username(self, value: str) -> str | None:
        """Words coined, digits drawn, what joins them kept."""
        made = _TOKEN.sub(lambda match: self._make_handle(match.group()), value)
        return made if self.recognises_username(made) else make_shape(value, self._keyed, kind="user")

    def recognises_username(self, value: str) -> bool:
        """Every run of three letters and more is coined, and there is one; or the whole is sealed."""
        telling = [
            run for run in re.findall(rf"[{_LATIN}]+|[\u3400-\u9fff]+", value) if len(run) > 2 or _HAN.match(run)
        ]
        return (bool(telling) and all(map(self._is_coined, telling))) or is_sealed(value, self._keyed, "user")

    def _make_handle(self, token: str) -> str:
        if _HAN.match(token):
            return self._coin_han(token)
        return re.sub(rf"[{_LATIN}]+|[0-9]+", lambda match: self._make_run(match.group()), token)

    def _make_run(self, run: str) -> str:
        if run.isdigit():
            return self._keyed.digits(len(run), "user digits", run)
        return match_case(self._words.coin(run), run) if len(run) > 2 else run


def _telling_parts(token: str) -> list[str]:
    if any(symbol.isdigit() for symbol in token):
        return []
    if not _HAN.match(token):
        return [] if _is_generic(token) else [token]
    return [part for part, generic in _han_parts(to_simplified(token)) if not generic]


def _han_parts(text: str) -> list[tuple[str, bool]]:
    """The parts of a run of Chinese characters, and whether each is generic: a split yields the two in turn."""
    return [(part, index % 2 == 1) for index, part in enumerate(_GENERIC_HAN.split(text)) if part]


def _is_generic(word: str) -> bool:
    return plain(word) in _GENERIC or len(word) == 1


def _drawn_like(token: str, keyed: Keyed) -> str:
    """Letters and digits of a mixed token (``221B``, ``NW1``) drawn anew, without a seal."""
    alphabets = {True: "0123456789", False: "abcdefghjkmnpqrstuvwxyz"}
    drawn = keyed.symbols([alphabets[symbol.isdigit()] for symbol in token], "mixed", token.casefold())
    return "".join(new.upper() if old.isupper() else new for old, new in zip(token, drawn, strict=True))
