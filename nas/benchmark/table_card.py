"""The card of a recorded table: what it is, how it was made, what it can and cannot show, and how to load it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet

from nas.analysis.seed_noise import pooled_noise
from nas.analysis.wording import FLOPS_WORDS
from nas.benchmark.table import RecordedTable, Recording, accuracy_matrix, at_equal_flops, log_flops
from nas.process.files import write_asked
from nas.records.settings import DESIGN
from space import compact

LEAST = 10  # networks below which no correlation is given


def save_table(table: RecordedTable, path: Path) -> None:
    """Writes the parquet file and its card (`.md`) beside it, each whole or not at all."""
    content = io.BytesIO()
    parquet.write_table(table.to_arrow(), content, compression="zstd")
    write_asked(path, content.getvalue(), "out")
    write_asked(path.with_suffix(".md"), card(table, path), "out")


def card(table: RecordedTable, path: Path) -> str:
    """Markdown."""
    s, rows = table.settings, table.recordings
    data, repeated = s.data, sum(len(trainings) > 1 for trainings in table.networks.values())
    low, high = min(one.flops for one in rows), max(one.flops for one in rows)
    studies = "; ".join(f"`{m['name']}` (seed {m['seed']}, {m['trainings']} trainings)" for m in table.made["studies"])
    recipe = ", ".join(f"{key} {value}" for key, value in s.recipe.items() if value is not None)
    versions = ", ".join(f"{name} {version}" for name, version in s.versions.items())
    drawn = f"drawn at random, uniformly in log FLOPs in {s.band}"
    use = "Searches and stopping rules are replayed against it: `nas replay`."
    if s.sampler == DESIGN:
        drawn, use = (
            f"sets of steps, each a network, in {s.band}",
            "What each step does tells `nas steps` on the study.",
        )
    return f"""# {path.stem}: {len(rows)} recorded trainings

{len(table.networks)} networks of space `{s.space_name}`, each trained to the end, {repeated} of them with several
seeds: {len(rows)} trainings with their whole curves. {use}

| | |
|---|---|
| accuracy | top-1 on the validation split of {data.name}, n = {data.validation:,}; the test split was not touched |
| trained on | {s.training}, {data.image_size} px |
| networks | {drawn} (here {low:,} to {high:,}): `{s.command}` |
| FLOPs | {FLOPS_WORDS} |
| recipe | {recipe} |
| data | {data.name}, fingerprint {data.fingerprint}, {data.train:,} / {data.validation:,} / {data.test:,} images |
| studies | {studies} |
| made | {table.made["recorded"]}, device {s.device}; recorded on {table.made["machine"]} |
| versions | {versions} |

## Signal and noise

{noise_lines(table)}

## Columns

One row per training: `key` (equal exactly when networks are), `arch` (JSON), `flops`, `params`, `activations`, `seed`,
`log_density` (natural logarithm of the network's probability in one draw), `accuracy`, `seconds`, `images` (trained
on), and lists over periods: `period_loss` (training), `period_accuracy` (validation), `period_seconds` (since training
began). Space, or steps, recipe, data card and versions are in the schema's metadata under `nas`, as JSON.

```python
import pandas as pd

table = pd.read_parquet("{path.name}")
curves = pd.DataFrame(table["period_accuracy"].tolist(), index=table["key"])
```

## Limits

Brief training prefers other networks than long training does (small kernels above all): what
wins here need not win there. One recipe for all networks. Differences between networks below the seed noise are not
differences. Seconds are of one machine that may have done other work too; FLOPs are not.
"""


def noise_lines(table: RecordedTable) -> str:
    """Spread at equal FLOPs, seed noise, and how well each period ranks as the last does at equal FLOPs."""
    firsts = [trainings[0] for trainings in table.networks.values()]
    if len(firsts) < LEAST:
        return f"Too few networks ({len(firsts)}) for correlations."
    left = at_equal_flops(accuracy_matrix(firsts), log_flops(firsts))
    taus = ", ".join(
        f"{compact(period * table.images)}: {value:.2f}" for period, value in enumerate(rank_correlations(firsts), 1)
    )
    final = accuracy_matrix(firsts)[:, -1]
    lines = [
        f"Correlation of final accuracy with log FLOPs: {np.corrcoef(log_flops(firsts), final)[0, 1]:.2f}. Standard "
        f"deviation at equal FLOPs (about a quadratic in log FLOPs): {100 * left[:, -1].std(ddof=3):.2f} points."
    ]
    noise = pooled_noise([[one.accuracy for one in rows] for rows in table.networks.values()])
    if noise is not None:
        repeated = sum(len(rows) > 1 for rows in table.networks.values())
        lines.append(f"Seed noise: {100 * noise.sd:.2f} points (standard deviation, {repeated} networks with repeats).")
    lines.append(f"Kendall's tau of accuracy *at equal FLOPs* with the final one, by images trained on: {taus}.")
    return "\n".join(lines)


def rank_correlations(recordings: Sequence[Recording]) -> list[float]:
    """Kendall's tau of each period's accuracy with the last one's, both less what FLOPs explain."""
    from scipy.stats import kendalltau  # type: ignore[import-untyped]

    left = at_equal_flops(accuracy_matrix(recordings), log_flops(recordings))
    return [float(kendalltau(column, left[:, -1]).statistic) for column in left.T]
