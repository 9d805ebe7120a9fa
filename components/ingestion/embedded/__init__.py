"""The embedded bilingual corpus: a seeded generator that plants defects and records them as ground truth."""

from components.ingestion.embedded.config import EmbeddedCorpusConfig
from components.ingestion.embedded.write import write_embedded_corpus, write_filter_lines

__all__ = ["EmbeddedCorpusConfig", "write_embedded_corpus", "write_filter_lines"]
