"""What a model is worth: accuracy with its interval, latency with its spread, and the trade between them."""

from burnish.evaluate.accuracy import Interval, bootstrap_median, paired_difference, proportion_interval
from burnish.evaluate.latency import Latency, benchmark, ratio
from burnish.evaluate.task import Split, Task, load_task
from burnish.pareto import pareto_front

__all__ = [
    "Interval",
    "Latency",
    "Split",
    "Task",
    "benchmark",
    "bootstrap_median",
    "load_task",
    "paired_difference",
    "pareto_front",
    "proportion_interval",
    "ratio",
]
