"""The rules over a text that arrives in pieces: nothing is shown that would have to be taken back.

In: pieces of text as a generator makes them, cut anywhere. Out: pieces that may be shown. Whatever the cuts, what is
shown in the end is ``cut_text`` of the whole: the text up to where its first harmful match begins.

Held back is what a later piece could still change: from the first place where a phrase has begun that more text could
complete, or where a match stands whose end or whose allowed context is not yet known. All else is shown at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.safety.characters import FOLDED, LEET_SYMBOLS, SQUEEZED
from components.safety.normaliser import BREAK, Views, make_views
from components.safety.readings import Reading
from components.safety.rules import RuleHit, RuleSet, unshielded

MAX_HELD_CHARACTERS = 4096  # only a disguise of thousands of separators or repeated letters holds so much back


def cut_text(rules: RuleSet, text: str) -> str:
    """What a stream shows of a text: all before the first match that no allowed phrase holds."""
    hits = unshielded(rules.matches(make_views(text)))
    return text[: min((hit.start for hit in hits), default=len(text))]


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """Why a stream was cut: the match with its place in the whole text, or none if too much was held back."""

    hit: RuleHit | None


class StreamFilter:
    """One text. Feed pieces to ``push``, then ``close``; after a cut both give nothing more."""

    def __init__(self, rules: RuleSet) -> None:
        """A stream with nothing in it."""
        self._rules = rules
        self._context = ""  # shown text that what follows is read beside
        self._beside = 0  # so much of it only gives the rest its surroundings, and begins nothing itself
        self._held = ""
        self._shown = 0
        self.end: StreamEnd | None = None

    def push(self, piece: str) -> str:
        """What may be shown now."""
        return self._advance(piece, final=False)

    def close(self) -> str:
        """The rest, the text being at its end."""
        return self._advance("", final=True)

    def _advance(self, piece: str, *, final: bool) -> str:
        if self.end is not None:
            return ""
        self._held += piece
        window = self._context + self._held
        views = make_views(window)
        first = len(self._context)
        matches = [
            match
            for match in self._rules.matches(views)
            if match.start >= (self._beside if match.term.allowed else first)
        ]
        if final:
            return self._finish(window, first, unshielded(matches))
        applicable = [reading for reading in self._rules.readings if reading.applies(views)]
        opened = min((self._opened(reading, views, first) for reading in applicable), default=len(window))
        settled = [hit for hit in unshielded(matches) if self._is_settled(hit, applicable, views)]
        # What a finished allowed phrase holds is harmless for good.
        lasting = [match for match in matches if not match.term.allowed or not _reaches_end(match.end, views)]
        begun = min((hit.start for hit in unshielded(lasting)), default=len(window))
        cut = min((hit.start for hit in settled), default=len(window))
        if cut < len(window) and cut <= min(opened, begun):
            return self._finish(window, first, settled)
        until = min(opened, begun)
        # An allowed phrase holds what it will hold although its beginning has been shown, finished or not.
        shields = [start for reading in applicable for start in self._shields(reading, views)]
        shields += [match.start for match in matches if match.term.allowed and match.end > until]
        shown = self._show(window, until, min(shields, default=len(window)))
        if len(self._held) > MAX_HELD_CHARACTERS:
            self.end = StreamEnd(hit=None)
        return shown

    def _finish(self, window: str, first: int, hits: list[RuleHit]) -> str:
        hit = min(hits, key=lambda hit: (hit.start, -hit.end, hit.rule), default=None)
        shown = window[first : hit.start if hit else len(window)]
        if hit:
            offset = self._shown - first
            self.end = StreamEnd(RuleHit(hit.category, hit.rule, hit.start + offset, hit.end + offset))
        self._held = ""
        self._shown += len(shown)
        return shown

    def _shields(self, reading: Reading, views: Views) -> list[int]:
        """Where allowed phrases begin that more text could complete, the shown context included."""
        return _open_starts(reading, views, self._beside, allowed=True)

    def _show(self, window: str, until: int, shielding: int) -> str:
        """Show up to a place; of what is shown, remember all from the first allowed phrase on."""
        first = len(self._context)
        shown = window[first:until]
        self._held = window[until:]
        kept = min(until, shielding)
        beside = _context(window[:kept])
        self._beside = len(beside)
        self._context = beside + window[kept:until]
        self._shown += len(shown)
        return shown

    def _opened(self, reading: Reading, views: Views, first: int) -> int:
        """Where the first phrase begins that more text could complete."""
        return min(_open_starts(reading, views, first, allowed=False), default=len(views.original))

    def _is_settled(self, hit: RuleHit, readings: list[Reading], views: Views) -> bool:
        """Whether no later text could unmake a hit: it ends before the text does, and no allowed phrase may hold it."""
        for reading in readings:
            if any(start <= hit.start for start in self._shields(reading, views)):
                return False
        return not _reaches_end(hit.end, views)


def _open_starts(reading: Reading, views: Views, first: int, *, allowed: bool) -> list[int]:
    """Original offsets, not before ``first``, at which a phrase may have begun that more text could complete."""
    view = reading.view(views)
    automaton = reading.allowed if allowed else reading.harmful
    starts = [view.starts[p] for p in automaton.open_ends(view.text) if reading.may_begin(views, view, p)]
    return [start for start in starts if start >= first] + _symbol_at_end(views, first)


def _symbol_at_end(views: Views, first: int) -> list[int]:
    """A symbol at the end of the text, which a letter after it would make a letter."""
    folded = views.folded
    if folded.text and folded.text[-1] in LEET_SYMBOLS and folded.starts[-1] >= first:
        return [folded.starts[-1]]
    return []


def _reaches_end(end: int, views: Views) -> bool:
    """Whether no letter and no break follows a place yet: then an edge, or the last letter's stretch, is open."""
    return not any(character.isalnum() or character == BREAK for character in views.original[end:].translate(FOLDED))


def _context(shown: str) -> str:
    """As much of the shown text as the reading of what follows depends on.

    That is its last letter (with what stands before it, if a symbol is read as one), which a repetition would stretch,
    a sentence break after it, and its last visible characters, which are or are not an edge.
    """
    visible = [character for character in shown if FOLDED[ord(character)]]
    last = len(visible)
    while last and not _may_be_letter(visible[last - 1]):
        last -= 1
    letter, rest = "".join(visible[max(0, last - 2) : last]), "".join(visible[last:])
    if len(rest) <= 4:
        return letter + rest
    return letter + (BREAK if BREAK in make_views(rest).plain_text else "") + rest[-3:]


def _may_be_letter(character: str) -> bool:
    return any(c in LEET_SYMBOLS or (c != BREAK and SQUEEZED[ord(c)]) for c in character.translate(FOLDED))
