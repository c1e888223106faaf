"""Plans of small graphs whose right answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from burnish.errors import ConfigError, InternalError, ShapeError
from burnish.graph import ComputeGraph
from burnish.graph.memory import PlanConfig, Program, Step, lower, plan_memory, plan_program, verify_plan
from burnish.graph.shapes import sized_model
from burnish.testing.graphs import from_text, network, unknown_operator

HEAD = '<ir_version: 8, opset_import: ["" : 18]>'
KIB = 1024


def chain(body: str, result: str = "float[batch, 256] y") -> ComputeGraph:
    return from_text(f"{HEAD} g (float[batch, 256] x) => ({result}) {{ {body} }}")


def test_values_that_follow_one_another_take_two_places_without_sharing():
    graph = chain("a = Exp(x) b = Exp(a) c = Exp(b) y = Exp(c)")
    plan = plan_memory(graph, config=PlanConfig(in_place=False))
    assert (plan.naive_bytes, plan.arena_bytes, plan.lower_bound_bytes) == (3 * KIB, 2 * KIB, 2 * KIB)


def test_an_element_wise_operator_overwrites_an_input_that_dies():
    plan = plan_memory(chain("a = Exp(x) b = Exp(a) c = Exp(b) y = Exp(c)"))
    assert plan.arena_bytes == KIB
    assert {buffer.root for buffer in plan.buffers} == {"a"}


def test_an_input_that_is_read_again_is_not_overwritten():
    plan = plan_memory(chain("a = Exp(x) b = Exp(a) c = Add(a, b) y = Exp(c)"))
    assert plan.by_name["a"].root != plan.by_name["b"].root


def test_inputs_outputs_and_weights_stay_out_of_the_arena():
    plan = plan_memory(network(), batch=4)
    names = set(plan.by_name)
    assert not names & {"x", "scores", "probabilities", "k", "w", "b"}
    assert plan.output_bytes == 2 * 4 * 4 * 4
    assert plan.weight_bytes == 4 * (36 + 16 + 4)


def test_an_output_is_read_where_it_lies_and_never_overwritten():
    graph = from_text(
        f"{HEAD} g (float[batch, 256] x) => (float[batch, 256] y, float[n] z) <int64[1] s = {{-1}}> "
        "{ y = Exp(x) r = Reshape(y, s) z = Exp(r) }"
    )
    plan = plan_memory(graph)
    assert plan.buffers == ()
    assert plan.arena_bytes == 0


def test_a_row_of_the_same_memory_forbids_to_overwrite_it():
    graph = from_text(
        f"{HEAD} g (float[4, 256] x) => (float[4, 256] y) <int64[1] zero = {{0}}, int64[1] one = {{1}}> "
        "{ a = Exp(x) row = Slice(a, zero, one, zero) b = Add(a, row) y = Exp(b) }"
    )
    plan = plan_memory(graph)
    assert plan.by_name["row"].root == "a"
    assert plan.by_name["b"].root == "b"


def test_the_third_of_many_operands_is_not_overwritten():
    plan = plan_memory(chain("a = Exp(x) b = Sum(x, x, a) y = Exp(b)"))
    assert plan.by_name["b"].root == "b"


def test_a_concatenation_of_rows_copies_nothing_where_that_saves():
    graph = from_text(
        f"{HEAD} g (float[1, 256] x) => (float[1, 512] y) "
        "{ a = Exp(x) b = Exp(x) c = Concat <axis = 0> (a, b) f = Flatten <axis = 0> (c) y = Exp(f) }"
    )
    plan = plan_memory(graph)
    assert plan.arena_bytes == 2 * KIB
    assert [plan.by_name[name].offset for name in "abc"] == [0, KIB, 0]
    assert plan_memory(graph, config=PlanConfig(joins=False)).arena_bytes == 4 * KIB


def test_the_arena_grows_with_the_batch():
    graph = chain("a = Exp(x) b = Exp(a) y = Exp(b)")
    assert [plan_memory(graph, batch=batch).arena_bytes for batch in (1, 3, 8)] == [KIB, 3 * KIB, 8 * KIB]


def test_reordering_computes_one_branch_after_the_other():
    body = """
        a = Exp(x) b = Neg(x) c = Abs(x)
        sa = ReduceSum(a) sb = ReduceSum(b) sc = ReduceSum(c)
        ab = Add(sa, sb) y = Add(ab, sc)
    """
    graph = chain(body, "float[1, 1] y")
    fixed, free = plan_memory(graph), plan_memory(graph, config=PlanConfig(reorder=True))
    assert fixed.arena_bytes >= 3 * KIB
    assert free.arena_bytes < 2 * KIB
    assert sorted(free.steps) == sorted(fixed.steps)


def test_workspace_lies_in_the_arena_while_its_step_runs():
    graph = chain("a = Exp(x) y = Exp(a)")
    plan = plan_memory(graph, workspace=lambda node: 100 if node.inputs[0].name == "a" else 0)
    assert plan.live_bytes == (KIB, KIB + 128)
    assert plan.arena_bytes == KIB + 128


def test_values_of_unknown_size_are_named_and_left_out():
    plan = plan_memory(
        chain("n = NonZero(x) f = Cast <to = 1> (n) a = Exp(x) s = ReduceSum(f) y = Add(a, s)")
    )
    assert plan.unplanned.keys() >= {"n", "f"}
    assert "only when it runs" in plan.unplanned["n"]
    assert "a" in plan.by_name


def test_what_a_body_reads_lives_until_the_body_runs():
    graph = from_text(f"""
        {HEAD} g (float[1, 256] x, bool c) => (float[1, 256] y) {{
            a = Exp(x) b = Neg(x) d = Abs(b)
            i = If (c) <
                then_branch = t () => (float[1, 256] p) {{ p = Add(a, d) }},
                else_branch = e () => (float[1, 256] q) {{ q = Neg(a) }}
            >
            y = Exp(i)
        }}
    """)
    plan = plan_memory(graph)
    run = plan.operators.index("If")
    assert plan.by_name["a"].last == run
    assert plan.by_name["d"].last == run
    assert plan.opaque == (plan.steps[run],)


def test_an_unknown_operator_shares_nothing():
    graph = unknown_operator()
    program = lower(sized_model(graph.model, batch=2, sizes={}))
    (step,) = program.steps
    assert not step.views
    assert not step.joins
    assert not step.in_place


def test_a_dimension_without_a_size_is_named():
    graph = from_text(f"{HEAD} g (float[batch, tokens] x) => (float[batch, tokens] y) {{ y = Exp(x) }}")
    with pytest.raises(ShapeError, match="tokens"):
        plan_memory(graph)
    assert plan_memory(graph, sizes={"tokens": 8}).input_bytes == 32


def test_alignment_is_a_power_of_two():
    with pytest.raises(ConfigError, match="alignment is 48"):
        PlanConfig(alignment=48)


def test_every_memory_of_its_own_starts_aligned():
    graph = from_text(
        f"{HEAD} g (float[3] x) => (float[3] y) {{ a = Exp(x) b = Neg(x) c = Abs(x) d = Add(a, b) y = Add(c, d) }}"
    )
    plan = plan_memory(graph, config=PlanConfig(alignment=128, in_place=False))
    assert {buffer.offset % 128 for buffer in plan.buffers} == {0}


def test_a_graph_without_values_between_has_an_empty_arena():
    plan = plan_memory(chain("y = Exp(x)"))
    assert (plan.arena_bytes, plan.naive_bytes, plan.saved) == (0, 0, 0.0)


def test_steps_of_another_compiler_can_be_planned():
    steps = (
        Step(name="one", op="f", reads=(), writes=("a",)),
        Step(name="two", op="f", reads=("a",), writes=("b",)),
        Step(name="three", op="f", reads=("b",), writes=("c",)),
    )
    nothing = frozenset[str]()
    program = Program(
        steps=steps,
        sizes={"a": 64, "b": 64, "c": 64},
        inputs=nothing,
        weights=nothing,
        outputs=frozenset({"c"}),
    )
    plan = plan_program(program)
    assert plan.arena_bytes == 128
    with pytest.raises(InternalError, match="before it is written"):
        verify_plan(plan, replace(program, steps=steps[::-1]))


def test_a_plan_scales_to_many_values():
    body = " ".join(f"v{i} = Add(v{i - 1}, v{max(0, i - 7)})" for i in range(1, 400))
    plan = plan_memory(chain(f"v0 = Exp(x) {body} y = Exp(v399)"))
    assert plan.arena_bytes == plan.lower_bound_bytes
    assert plan.saved > 0.9
    assert np.argmax(plan.live_bytes) == plan.peak_step
