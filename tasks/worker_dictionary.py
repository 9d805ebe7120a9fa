"""Imported by the process that workers are forked from, so that all of them share one Chinese dictionary."""

from components.core.chinese import chinese_segmenter

chinese_segmenter()
