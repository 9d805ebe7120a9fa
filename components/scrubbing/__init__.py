"""Personal data: detectors find spans, a policy chooses, a pure function edits.

Modules: ``detect`` (one text), ``scrub`` (the stage), ``detectors`` and ``engine`` (what finds spans), ``policy``,
``surrogates`` (what pseudonymize writes), ``scrubber`` (many texts), ``shards`` and ``blocks`` (corpora and files at
scale), ``probes`` (what is missed). Scrubbing twice equals scrubbing once, and no personal value is ever written beside
the text.
"""

from components.scrubbing.config import LABELS, ScrubbingConfig
from components.scrubbing.spans import Span, resolve_spans

__all__ = ["LABELS", "ScrubbingConfig", "Span", "resolve_spans"]
