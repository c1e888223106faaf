"""The main job on real data: from training to an automatic rollback, with one report."""

from burnish.pipeline.demo.config import DemoConfig
from burnish.pipeline.demo.run import run_demo

__all__ = ["DemoConfig", "run_demo"]
