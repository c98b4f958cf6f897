"""What a chart shows under the mouse for a trial."""

from __future__ import annotations

from dashboard.charts.blocks import stage_line, stages
from dashboard.charts.style import escape
from dashboard.number_format import percent, short
from nas.analysis.seed_noise import NetworkResult
from nas.records.trial import Trial


def hover(trial: Trial, row: NetworkResult | None = None) -> str:
    """A trial's design in a few lines, escaped for plotly; with what its network's seeds tell, if there are any."""
    head = "<br>".join([f"<b>trial {trial.number}</b>  {percent(trial.accuracy, 2)}", *seed_lines(row)])
    cost = f"{short(trial.flops)} FLOPs, {short(trial.params)} parameters"
    return "<br>".join([head, cost, *(escape(stage_line(stage), 90) for stage in stages(trial)[:8])])


def brief_hover(trial: Trial, row: NetworkResult | None = None) -> str:
    """The same in short lines, for charts of thousands: `c3x64k7` is 3 ConvNeXt blocks 64 wide, kernel 7."""
    rows = (
        f"{str(s.get('block'))[:1]}{s.get('depth')}x{s.get('width')}" + (f"k{s['kernel']}" if "kernel" in s else "")
        for s in stages(trial)
    )
    head = f"<b>trial {trial.number}</b>  {percent(trial.accuracy, 2)}"
    return "<br>".join([head, *seed_lines(row), escape(" ".join(rows), 90)])


def seed_lines(row: NetworkResult | None) -> list[str]:
    """`mean of 3 seeds, 95% interval 92.10% to 93.90%`, `on the front by FLOPs with probability 58%`; none without
    repeats. The probability and the tie are of the study's front over FLOPs, whatever else is shown."""
    if row is None or row.probability is None:
        return []
    seeds = "1 seed" if row.seeds == 1 else f"mean of {row.seeds} seeds"
    if row.interval is not None:
        seeds += ", 95% interval {} to {}".format(*(percent(end, 2) for end in row.interval))
    tie = "" if row.tie is None else f", a tie with trial {row.tie}"
    return [seeds, f"on the front by FLOPs with probability {row.probability:.0%}{tie}"]
