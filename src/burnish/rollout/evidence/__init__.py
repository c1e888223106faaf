"""Evidence that stays valid however often one looks: pure functions and small running tests."""

from burnish.rollout.evidence.bounded import BoundedTest, bounded_log_e, lower_bound
from burnish.rollout.evidence.eprocess import EProcess
from burnish.rollout.evidence.margin import MarginTest, difference_interval, margin_log_e
from burnish.rollout.evidence.paired import PairedTest, paired_log_e
from burnish.rollout.evidence.restart import RestartingTest
from burnish.rollout.evidence.streams import StreamsTest, streams_log_e
from burnish.rollout.evidence.tail import TailTest, tail_log_e

__all__ = [
    "BoundedTest",
    "EProcess",
    "MarginTest",
    "PairedTest",
    "RestartingTest",
    "StreamsTest",
    "TailTest",
    "bounded_log_e",
    "difference_interval",
    "lower_bound",
    "margin_log_e",
    "paired_log_e",
    "streams_log_e",
    "tail_log_e",
]
