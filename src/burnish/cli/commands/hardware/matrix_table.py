"""An evaluation matrix on the terminal."""

from burnish.cli.render import err, out, table
from burnish.evaluate.matrix_words import (
    FLEET,
    USE,
    choice,
    fleet_cells,
    format_percent,
    numeric,
    reasons,
    use_cells,
)
from burnish.hardware.matrix import Matrix


def show_matrix(matrix: Matrix, base: Matrix | None) -> None:
    """Print the ranked rows, then the others, the choice and how firm it is, and what speaks against each device.

    Args:
        matrix: What was asked.
        base: The same for the model as it is, where the question was "what if".
    """
    demand = matrix.demand
    objective = f"{format_percent(demand.percentile)} within {demand.slo_s * 1000:g} ms"
    title = f"{matrix.model}: {demand.traffic_rps:g} requests a second, {objective}"
    if base is not None:
        table(f"{title}, as it is", FLEET, fleet_cells(base), numeric=numeric(FLEET))
        title += ", if changed as asked"
    table(title, FLEET, fleet_cells(matrix), numeric=numeric(FLEET))
    table("how each is used", USE, use_cells(matrix), numeric=numeric(USE))
    for line in choice(matrix):
        out.print(line, highlight=False, soft_wrap=True, markup=False)
    for line in reasons(matrix):
        err.print(line, highlight=False, soft_wrap=True, markup=False)
