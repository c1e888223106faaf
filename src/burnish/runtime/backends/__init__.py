"""The engines that ship with burnish. Nobody imports these modules: they are found by entry point."""
