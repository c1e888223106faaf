"""This machine's processor as the subject of a probe."""

from functools import partial

from burnish.evaluate.chains import OPERATOR, engine_chain
from burnish.evaluate.probing import Subject
from burnish.evaluate.products import ENGINES, MEASURED_DTYPES, engine_products
from burnish.hardware.device import Dtype
from burnish.hardware.probe import MemoryPeak, ProbeConfig, Product, memory_peak, rapl_meter


def processor(threads: int = 0) -> Subject:
    """Return the processor.

    Args:
        threads: Threads of the engines and of the memory's traffic; 0 leaves them to each, and one a core.
    """

    def products(dtype: Dtype) -> tuple[dict[str, Product], dict[str, str]]:
        return engine_products(dtype, threads)

    def memory(config: ProbeConfig) -> MemoryPeak:
        return memory_peak(config, threads=threads)

    return Subject(
        name="cpu",
        dtypes=MEASURED_DTYPES,
        products=products,
        memory=memory,
        chains={engine: partial(engine_chain, engine, threads) for engine in ENGINES},
        operator=OPERATOR,
        meter=rapl_meter,
        threads=threads,
    )
