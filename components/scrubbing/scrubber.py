"""Many texts at once: find, replace, look again until a look changes nothing.

One look is ``g(text)``: detect, replace what is no surrogate already. A scrubbed text is one that ``g`` leaves as it
is, which is why scrubbing it again changes nothing, whatever the detectors do. Placeholders (redact, mask, hash) need
no second look: the engine has looked at the text with holes in their places already. Surrogates do, since a detector
may see more, or less, beside a surrogate than beside the original.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.detectors import Detector
from components.scrubbing.edits import Edit, apply_edits, join_edits
from components.scrubbing.engine import Engine
from components.scrubbing.policy import Replace, make_replacement, replace_spans
from components.scrubbing.spans import Span

_LOOKS = 4


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A text without personal data. ``spans`` are offsets into the input.

    ``surrogates`` are values found that were surrogates already and stay; ``placeholders`` those of ``spans`` that the
    pseudonymize policy could only redact.
    """

    text: str
    spans: list[Span]
    surrogates: int = 0
    placeholders: int = 0


class _Work:
    """A text under way and the edits of the input that led to it."""

    __slots__ = ("edits", "lang", "surrogates", "text")

    def __init__(self, text: str, lang: str | None) -> None:
        self.text, self.lang = text, lang
        self.edits: list[Edit] = []
        self.surrogates = 0

    def take(self, spans: Sequence[Span], replace: Replace) -> bool:
        """Replace what was found; returns whether that changed anything."""
        text = self.text
        made = [Edit(span, replace(text[span.start : span.end], span.label)) for span in spans]
        changes = [edit for edit in made if edit.made != text[edit.span.start : edit.span.end]]
        if not self.edits:
            self.surrogates = len(made) - len(changes)
        if changes:
            self.text = apply_edits(text, changes)
            self.edits = join_edits(self.edits, text, changes) if self.edits else changes
        return bool(changes)


class Scrubber:
    """Detectors and a policy, made once a process; no state between texts but memory of surrogates."""

    def __init__(
        self, config: ScrubbingConfig, *, key: bytes | None = None, detectors: Sequence[Detector] = ()
    ) -> None:
        """Raises: ConfigError if the policy needs a key and there is none."""
        self.config = config
        self._engine = Engine(config, detectors)
        self._replace = make_replacement(config.policy, key=key)
        self._redact = make_replacement("redact")

    def scrub(self, texts: Sequence[str], langs: Sequence[str | None]) -> list[Scrubbed]:
        """Each text scrubbed; a language of None is guessed from the script, by the engine."""
        if self.config.policy != "pseudonymize":  # placeholders are holes to the engine: one look is all
            found = self._engine.detect_many(texts, langs)
            return [
                Scrubbed(replace_spans(text, spans, self._replace) if spans else text, spans)
                for text, spans in zip(texts, found, strict=True)
            ]
        works = [_Work(text, lang) for text, lang in zip(texts, langs, strict=True)]
        waiting = works
        for replace in self._looks():
            waiting = self._look(waiting, replace)
            if not waiting:
                break
        return [
            Scrubbed(work.text, [edit.span for edit in work.edits], work.surrogates, _placeholders(work.edits))
            for work in works
        ]

    def _looks(self) -> Iterator[Replace]:
        """A few looks with the policy, then with placeholders, which end it: each takes characters away for good."""
        yield from [self._replace] * _LOOKS
        while True:
            yield self._redact

    def _look(self, works: Sequence[_Work], replace: Replace) -> list[_Work]:
        """One look at each text; returns those that must be looked at again."""
        found = self._engine.detect_many([work.text for work in works], [work.lang for work in works])
        return [work for work, spans in zip(works, found, strict=True) if spans and work.take(spans, replace)]


def _placeholders(edits: Sequence[Edit]) -> int:
    return sum(edit.made.startswith("[") and edit.made.endswith("]") for edit in edits)
