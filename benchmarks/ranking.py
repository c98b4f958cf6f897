"""Which brief recipe ranks networks as long training does: Kendall's tau at equal FLOPs, for both kinds of blocks.

    python -m benchmarks.ranking path/to/cifar10 benchmarks/ranking.jsonl

Networks of `convnext_or_modulation_32` with FLOPs within a factor of 1.5, half of them of plain blocks and half of
modulation blocks, are trained long once, and under each brief recipe with another seed. The table printed last has each
recipe's tau with the long training, and its difference to the first recipe's on the same networks, each with the
interval of a bootstrap over networks, all of them holding together with 95%; networks that any recipe has not trained
yet are left out for all.
"""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np

from benchmarks.machine import heading
from benchmarks.trainings import Row, by_recipe, train_missing
from nas.analysis.multiple_comparisons import bonferroni_level, bonferroni_note
from nas.analysis.rank_agreement import NEAR, bootstrap
from nas.analysis.wording import signed
from space import Band

BAND = Band.parse("600K..900K")  # FLOPs: conv + linear multiply-accumulates; within NEAR
LONG = "long"
RESAMPLES = 20_000  # of which a dozen lie beyond either end of one of 40 intervals
NETWORKS = 24
BRIEF: dict[str, Any] = {"optimizer": "adamw", "epochs": 6, "train_images": 5000, "seed": 1}  # of the recorded table
RECIPES: dict[str, dict[str, Any]] = {
    LONG: {"epochs": 18, "seed": 0},
    "lr 2e-3, batch 64": {},
    "the same, another seed": {"seed": 2},
    "no crop": {"crop": 0},
    "lr 4e-3": {"lr": 4e-3},
    "lr 1e-3": {"lr": 1e-3},
    "3 epochs": {"epochs": 3},
    "2,500 images": {"train_images": 2500},
}  # each differs from BRIEF in what it names


def main() -> None:
    rows = train_missing([BAND] * NETWORKS, {name: BRIEF | fields for name, fields in RECIPES.items()}, processes=2)
    print(heading("torch"))
    print(report(rows))


def report(rows: list[Row]) -> str:
    """The table, as Markdown."""
    by = by_recipe(rows)
    keys = sorted(set.intersection(*(set(found) for found in by.values())))
    kinds = np.array([by[LONG][key]["block"] for key in keys])
    size = np.log([float(by[LONG][key]["flops"]) for key in keys])
    assert np.ptp(size) <= np.log(NEAR) + 1e-9
    same = kinds[:, None] == kinds
    masks = {"all pairs": np.ones_like(same), **{k: same & (kinds == k) for k in np.unique(kinds)}, "mixed": ~same}
    final = {name: np.array([found[key]["curve"][-1] for key in keys]) for name, found in by.items()}
    first = next(name for name in by if name != LONG)
    statements = len(by) * len(masks) + len(by) - 1  # taus, those of FLOPs in place of LONG's, and differences
    lines = [f"{len(keys)} networks of {BAND} FLOPs (conv + linear multiply-accumulates); pairs: "]
    lines[0] += ", ".join(f"{int(np.triu(mask, 1).sum())} {name}" for name, mask in masks.items())
    lines += ["", f"| ranked by | accuracy | epochs x images | {' | '.join(masks)} | less the first |"]
    lines += ["|" + "---|" * (len(masks) + 4)]
    for name, values in [*((n, v) for n, v in final.items() if n != LONG), ("FLOPs alone", size)]:
        taus = {kind: bootstrap(values, final[LONG], mask, resamples=RESAMPLES) for kind, mask in masks.items()}
        tau, spread = taus["all pairs"]
        other, others = bootstrap(final[first], final[LONG], masks["all pairs"], resamples=RESAMPLES)
        known = name in final
        fields = {**BRIEF, **RECIPES.get(name, {})}
        cells = [
            f"{values.mean():.2%}" if known else "",
            f"{fields['epochs']} x {fields['train_images']:,}" if known else "",
            *(f"{value:.2f} ({_interval(found, statements)})" for value, found in taus.values()),
            "" if name == first else f"{signed(tau - other, 2)} ({_interval(spread - others, statements)})",
        ]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    seconds = median(row["seconds"] for row in by[first].values())
    long = median(row["seconds"] for row in by[LONG].values())
    lines += ["", f"Long: {RECIPES[LONG]['epochs']} epochs, {final[LONG].mean():.2%}, spread {final[LONG].std():.2%}."]
    lines[-1] += f" Intervals: {bonferroni_note(statements, 'intervals')}."
    lines[-1] += f" Seconds, median: {long:.0f} long, {seconds:.0f} brief (one thread each)."
    return "\n".join(lines)


def _interval(values: np.ndarray[Any, Any], statements: int) -> str:
    beyond = (1 - bonferroni_level(statements)) / 2
    low, high = np.nanquantile(values, [beyond, 1 - beyond])
    return f"{low:.2f} to {high:.2f}"


if __name__ == "__main__":
    main()
