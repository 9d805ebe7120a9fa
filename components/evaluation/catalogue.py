"""Names of the suites and of the metrics each gives: what a gates file may ask for. Imports nothing heavy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Scale = Literal["share", "percent", "other"]


@dataclass(frozen=True)
class MetricInfo:
    """What a metric is: its scale (``share`` 0 to 1, ``percent`` 0 to 100) and a line in both languages."""

    scale: Scale
    english: str
    chinese: str


SUITES: Mapping[str, Mapping[str, MetricInfo]] = {
    "perplexity": {
        "mlm_accuracy": MetricInfo(
            "share", "Masked tokens guessed right on held-out text", "保留文本上遮蔽词元的预测准确率"
        ),
        "unigram_accuracy": MetricInfo(
            "share", "The same, always guessing the most frequent token", "始终猜最常见词元时的准确率"
        ),
        "accuracy_gain": MetricInfo(
            "share", "Masked-token accuracy above the unigram guess", "遮蔽准确率高于一元基线的幅度"
        ),
        "bits_per_character": MetricInfo(
            "other", "Pseudo-bits per character of held-out text", "保留文本的每字符伪比特数"
        ),
        "unknown_share": MetricInfo("share", "Tokens outside the vocabulary", "词表外词元占比"),
    },
    "crows_pairs": {
        "stereotype_score": MetricInfo(
            "percent", "Pairs where the stereotype is preferred (ideal 50)", "偏好刻板印象句的比例（理想值 50）"
        ),
    },
    "stereoset": {
        "lms": MetricInfo("percent", "Meaningful over unrelated (ideal 100)", "语言建模得分（理想值 100）"),
        "ss": MetricInfo("percent", "Stereotype over anti-stereotype (ideal 50)", "刻板印象得分（理想值 50）"),
        "icat": MetricInfo("percent", "lms x min(ss, 100 - ss) / 50 (ideal 100)", "综合得分（理想值 100）"),
    },
    "counterfactual": {
        "flip_rate": MetricInfo("share", "Predictions that change with the group word", "更换群体词后预测改变的比例"),
        "mean_probability_shift": MetricInfo(
            "share", "Mean change of the predicted probabilities", "预测概率的平均变化"
        ),
    },
    "group_fairness": {
        "demographic_parity_difference": MetricInfo(
            "share", "Gap of selection rates between groups", "群体间选择率之差"
        ),
        "equalized_odds_difference": MetricInfo("share", "Gap of error rates between groups", "群体间错误率之差"),
    },
    "exposure": {
        "exposure_bits": MetricInfo(
            "other",
            "Mean exposure of the most repeated canaries (1.44 by chance)",
            "重复最多的金丝雀的平均暴露度（随机值 1.44）",
        ),
        "exposure_bits_4": MetricInfo(
            "other", "Mean exposure of canaries planted 4 times", "植入 4 次的金丝雀的平均暴露度"
        ),
        "exposure_bits_1": MetricInfo(
            "other", "Mean exposure of canaries planted once", "植入 1 次的金丝雀的平均暴露度"
        ),
        "mann_whitney_p": MetricInfo(
            "share", "p: planted canaries score above their twins", "植入金丝雀得分高于对照的 p 值"
        ),
    },
    "membership": {
        "auc": MetricInfo(
            "share", "Membership attack, area under the curve (0.5 by chance)", "成员推断攻击 AUC（随机值 0.5）"
        ),
        "tpr_at_1_percent_fpr": MetricInfo("share", "Members caught at 1 % false alarms", "误报率 1% 时的检出率"),
        "blind_auc": MetricInfo(
            "share", "The same without the model: must be chance", "不查询模型的盲测 AUC（应为随机）"
        ),
    },
    "pii_extraction": {
        "residual_rate": MetricInfo(
            "share", "Planted personal data still in the training text", "训练文本中残留的植入个人信息比例"
        ),
        "detected_rate": MetricInfo(
            "share", "Training records where personal data is detected", "检测到个人信息的训练记录比例"
        ),
        "extraction_rate": MetricInfo(
            "share", "Planted values the model completes word for word", "模型逐字补全植入信息的比例"
        ),
    },
    "data_quality": {
        "failed_expectations": MetricInfo("other", "Data checks that did not pass", "未通过的数据检查数量"),
        "duplicate_rate": MetricInfo("share", "Repeated records among those trained on", "训练记录中的重复比例"),
        "wrong_language_rate": MetricInfo("share", "Records in another language", "语言不符的记录比例"),
        "length_outlier_rate": MetricInfo("share", "Records of unusual length", "长度异常的记录比例"),
        "missing_text_rate": MetricInfo("share", "Records without text", "无文本的记录比例"),
    },
    "task_quality": {
        "accuracy": MetricInfo("share", "Accuracy on the task's test split", "任务测试集准确率"),
        "macro_f1": MetricInfo("share", "Macro F1 on the task's test split", "任务测试集宏平均 F1"),
        "expected_calibration_error": MetricInfo("share", "Gap of confidence and accuracy", "置信度与准确率之差"),
        "majority_accuracy": MetricInfo(
            "share", "Accuracy of always answering the commonest label", "始终回答最常见标签的准确率"
        ),
    },
}

SUITE_METRICS: Mapping[str, tuple[str, ...]] = {suite: tuple(metrics) for suite, metrics in SUITES.items()}


def explain_unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """A line for an unknown name: the nearest known one and all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"unknown {kind} {name!r}: {hint}known are {', '.join(names)}"
