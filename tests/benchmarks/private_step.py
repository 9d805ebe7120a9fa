"""A private step beside a plain one and Opacus' hooks: seconds and memory, interleaved in one run.

``PYTHONPATH=. python tests/benchmarks/private_step.py [--rounds 3] [--micro 32] [--threads 1]``. A BERT classifier of 4
layers, 256 wide, 8,000 words, fp32; a logical batch of 256 rows of 64 tokens, computed in parts. Each way runs in a
process of its own, so that its peak memory is its own; what the process had before the first step is taken off.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

WAYS = ("plain", "bookkeeping", "hooks")
ROWS, TOKENS = 256, 64


def measure(way: str, micro: int, threads: int) -> None:
    """Print ``{"memory_mb", …}`` once, then the seconds of a step for every line that is read."""
    import torch
    import transformers
    from torch import nn

    from components.privacy.clipping import make_clipper
    from components.privacy.mechanism import release_gradients

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=8000, hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024
    )
    model = transformers.BertForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    ids = torch.randint(0, 8000, (ROWS, TOKENS))
    places = torch.arange(TOKENS).expand(ROWS, TOKENS).contiguous()
    clipper = None if way == "plain" else make_clipper(way, model, 1.0)
    noise = torch.Generator().manual_seed(1)

    def losses(rows: slice) -> torch.Tensor:
        part = ids[rows]
        logits = model(part, token_type_ids=torch.zeros_like(part), position_ids=places[rows]).logits
        return nn.functional.cross_entropy(logits, part[:, 0] % 2, reduction="none")

    def step() -> None:
        for start in range(0, ROWS, micro):
            rows = slice(start, start + micro)
            if clipper is None:
                (losses(rows).sum() / ROWS).backward()
            else:
                with clipper.watching(micro):
                    clipper.add(losses(rows))
        if clipper is not None:
            release_gradients(clipper.take(), clip_norm=1.0, noise_multiplier=1.0, expected_units=ROWS, generator=noise)
        optimizer.step()
        optimizer.zero_grad()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step()
    print(json.dumps((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024), flush=True)
    for _ in sys.stdin:
        started = time.process_time()
        step()
        print(json.dumps(time.process_time() - started), flush=True)


def main() -> None:
    """Interleave the ways and print their medians as one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--micro", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--way", choices=WAYS)
    given = parser.parse_args()
    if given.way:
        measure(given.way, given.micro, given.threads)
        return
    processes = {
        way: subprocess.Popen(
            [sys.executable, __file__, "--way", way, "--micro", str(given.micro), "--threads", str(given.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for way in WAYS
    }  # fmt: skip
    memory = {way: float(process.stdout.readline()) for way, process in processes.items() if process.stdout}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(given.rounds):
        for way, process in processes.items():
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            seconds[way].append(float(process.stdout.readline()))
    for process in processes.values():
        process.communicate()
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    print(json.dumps({"cpu_seconds": seconds, "memory_mb": memory,
                      "ratio_to_plain": {way: round(medians[way] / medians["plain"], 2) for way in WAYS},
                      "memory_to_plain": {way: round(memory[way] / memory["plain"], 2) for way in WAYS},
                      "times_faster_than_hooks": round(medians["hooks"] / medians["bookkeeping"], 2),
                      "rows": ROWS, "tokens": TOKENS, "micro_batch": given.micro}))  # fmt: skip


if __name__ == "__main__":
    main()
