"""Personal data: detectors find spans, a policy chooses, a pure function edits.

Modules: ``scrub`` (the stage and its functions on one text), ``detectors`` (what finds spans), ``spans``, ``policy``,
``checksums``. Scrubbing twice equals scrubbing once, and no personal value is ever written beside the text.
"""

from components.scrubbing.config import LABELS, ScrubbingConfig
from components.scrubbing.spans import Span, resolve_spans

__all__ = ["LABELS", "ScrubbingConfig", "Span", "resolve_spans"]
