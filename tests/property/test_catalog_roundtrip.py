"""A catalogue that is written reads back the same, and adding to it loses nothing."""

import tomllib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from burnish.hardware.catalog.figures import Figures, of
from burnish.hardware.catalog.format import Catalogue, Entry, Source, read
from burnish.hardware.catalog.writing import combined, text
from burnish.hardware.device import ITEM_BYTES

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
ABOVE = st.floats(1e-9, 1e18)


@st.composite
def catalogues(draw):
    sources = draw(
        st.dictionaries(NAMES, st.builds(Source, title=NAMES, url=TEXTS, note=TEXTS), min_size=1, max_size=3)
    )
    blocks = st.builds(
        Figures,
        source=st.sampled_from(sorted(sources)),
        note=TEXTS,
        year=st.none() | st.integers(1, 2100),
        peaks=st.dictionaries(st.sampled_from(sorted(ITEM_BYTES)), ABOVE, max_size=3),
        memory_bytes=st.none() | ABOVE,
        power_w=st.none() | ABOVE,
        price_usd=st.none() | st.just(0.0) | ABOVE,
        rents_usd_per_h=st.dictionaries(NAMES, ABOVE, max_size=3),
    )
    devices = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=3)):
        kind = draw(st.none() | st.sampled_from(("gpu", "edge", "cpu", "accelerator")))
        block = draw(blocks)
        figures = (block,) if any(of(block)) else ()
        devices[name] = Entry(
            title=draw(NAMES) if kind else "",
            kind=kind,
            vendor=draw(TEXTS),
            origin=draw(st.sampled_from(("user", "imported"))),
            figures=figures,
        )
    return Catalogue(sources=sources, devices=devices)


@given(catalogues())
def test_what_is_written_reads_back_the_same(catalogue):
    assert read(tomllib.loads(text(catalogue)), label="x") == catalogue


@given(catalogues(), catalogues())
def test_what_is_added_wins_and_the_rest_stays(old, new):
    both = read(tomllib.loads(text(combined(old, new))), label="x")
    assert _told(both) == {**_told(old), **_told(new)}
    assert combined(both, new) == both


def test_a_source_whose_id_gave_way_to_anothers_keeps_its_new_id():
    old = Catalogue(sources={"a": Source(title="one")}, devices={"x": _priced("a", 1.0)})
    new = Catalogue(sources={"a": Source(title="two")}, devices={"x": _priced("a", 2.0)})
    once = combined(old, new)
    assert list(once.sources) == ["a-2"]
    assert combined(once, new) == once


def _priced(source, price):
    return Entry(figures=(Figures(source=source, price_usd=price),))


def _told(catalogue):
    """Return every figure with its value and the whole source it names."""
    return {
        (name, figure): (value, catalogue.sources[block.source], block.note)
        for name, entry in catalogue.devices.items()
        for block in entry.figures
        for figure, value in of(replace(block))
    }
