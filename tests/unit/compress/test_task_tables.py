import csv
import gzip

import pytest

from burnish.compress.tasks.table import read_table
from burnish.errors import InputError, NotFoundError

CSV = {"delimiter": ",", "quoted": True}
TSV = {"delimiter": "\t", "quoted": False}


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_quotes_hold_cells_together_or_are_text(tmp_path):
    table = read_table(write(tmp_path / "a.csv", 'text,label\n"a, ""b""\nc",1\n\nd,0\n'), **CSV)
    assert table.column("text") == ['a, "b"\nc', "d"]
    assert table.column("label") == ["1", "0"]
    assert read_table(write(tmp_path / "a.tsv", 'x\ty\n"a\t1\n'), **TSV).column("x") == ['"a']


def test_a_long_text_is_read_and_the_limit_of_others_stays(tmp_path):
    before = csv.field_size_limit()
    text = "word " * 100_000
    assert read_table(write(tmp_path / "a.csv", f"text\n{text}\n"), **CSV).column("text") == [text]
    assert csv.field_size_limit() == before


def test_a_header_may_be_given_and_further_cells_left_out(tmp_path):
    path = write(tmp_path / "a.tsv.gz", gzip.compress(b"1\ta\tnote\n2\tb\n"))
    table = read_table(path, **TSV, header=("number", "text"), more_cells=True)
    assert table.rows == (("1", "a"), ("2", "b"))


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.csv", "", "has no rows"),
        ("a.csv", "text,label\n", "has no rows"),
        ("a.csv", "text,label\na,1\nb,1,2\n", "line 3: has 3 cells, the header has 2"),
        ("a.csv", "text,label\nb\n", "line 2: has 1 cells"),
        ("a.csv", b"text,label\n\xff\xfe,1\n", "cannot be read as a table.*utf-8"),
        ("a.csv.gz", b"no gzip", "cannot be read as a table"),
        ("a.csv.gz", gzip.compress(b"text,label\n" + b"a,1\n" * 999)[:-20], "cannot be read as a table"),
    ],
)
def test_damaged_files_say_where(tmp_path, name, data, expected):
    with pytest.raises(InputError, match=rf"{name}.*{expected}"):
        read_table(write(tmp_path / name, data), **CSV)


def test_a_missing_file_or_column_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"none\.csv: no such file"):
        read_table(tmp_path / "none.csv", **CSV)
    table = read_table(write(tmp_path / "a.csv", "sentence,label\na,1\n"), **CSV)
    with pytest.raises(InputError, match=r"no column 'sentnce'.*did you mean 'sentence'"):
        table.column("sentnce")
