"""Documentation of the data, made from what the stages recorded and from the records themselves, never from claims.

Modules: ``evidence`` (reports and shards to DataFacts), ``card`` (facts to a data card, ``render`` to Markdown and
HTML), ``croissant`` (facts to Croissant 1.1 JSON-LD), ``document`` (the stage), ``export`` (a folder for others, with
a Hugging Face DatasetDict). What is not known is said to be not recorded.
"""

from components.documentation.config import DocumentationConfig

__all__ = ["DocumentationConfig"]
