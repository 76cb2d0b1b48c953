"""CSV in the forms that spreadsheets write, and every mistake of form with its row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.csv_list.table import CsvTable, parse_csv, plain_word

KINDS = {
    "id": "text", "name": "text", "url": "text", "group": "text", "user": "text", "password": "text",
    "active": "truth", "filter_min_size": "number", "filter_min_quality": "number", "roi": "text",
}  # fmt: skip


def read(text: str, encoding: str = "utf-8") -> CsvTable:
    return parse_csv(text.encode(encoding), kinds=KINDS)


def values(table: CsvTable) -> list[dict[str, str]]:
    return [dict(row.values) for row in table.rows]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_separators_and_encodings_are_told_by_themselves(separator: str, encoding: str) -> None:
    text = "ID;Nome;Endereço;Usuário;Senha\r\ngate;Portão, norte;rtsp://h/s;ana;ção\r\n".replace(", norte", " norte")
    table = read(text.replace(";", separator), encoding)
    assert values(table) == [
        {"id": "gate", "name": "Portão norte", "url": "rtsp://h/s", "user": "ana", "password": "ção"}
    ]
    assert (table.column("url"), table.column("group")) == ("Endereço", "group")


def test_the_line_for_spreadsheets_names_the_separator_and_is_no_row() -> None:
    table = read("sep=;\r\nid;url\r\na;rtsp://h/s,1\r\n")
    assert values(table) == [{"id": "a", "url": "rtsp://h/s,1"}]
    assert table.rows[0].row == 2


def test_decimal_commas_and_words_of_a_brazilian_spreadsheet() -> None:
    table = read("id;url;ativo;filter_min_quality;filter_min_size\na;u;VERDADEIRO;0,5;80\nb;u;Não;;1,5\n")
    assert values(table) == [
        {"id": "a", "url": "u", "active": "true", "filter_min_quality": "0.5", "filter_min_size": "80"},
        {"id": "b", "url": "u", "active": "false", "filter_min_size": "1.5"},
    ]


def test_quoted_cells_hold_separators_quotes_and_line_breaks() -> None:
    table = read('id,url,name,password\na,u,"Gate ""A"",\nnorth"," p ,""w"\n\nb,u,,\n')
    assert values(table)[0]["name"] == 'Gate "A", north'
    assert values(table)[0]["password"] == 'p ,"w'
    assert [row.row for row in table.rows] == [2, 4], "a spreadsheet counts the empty row"


def test_columns_without_a_name_and_empty_ends_do_not_matter() -> None:
    assert values(read("id;url;;\na;u;;\n")) == [{"id": "a", "url": "u"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "its first row must name the columns"),
        ("\n \n", "its first row must name the columns"),
        ("gate,rtsp://h/s\n", "row 1 must name the columns"),
        ('id,url\na,"open\n', "row 2 is not CSV"),
        ('id,url\na,"b"c\n', "row 2 is not CSV"),
        ("id,url" + ",name" * 300, "more than 200 columns"),
    ],
)
def test_what_is_no_list_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read(text)


def test_unknown_and_double_columns_and_shifted_rows_are_told_and_the_rest_is_read() -> None:
    table = read("id,url,nam,name,nome\na,u,x,y,z\nb,u,,,,more\n")
    told = [str(problem.told()) for problem in table.problems]
    assert told == [
        "row 1, column nam: unknown column; did you mean name?",
        "row 1, column nome: another column stands for the same",
        "row 3: more cells than columns; quote a cell that holds a separator",
    ]
    assert values(table) == [{"id": "a", "url": "u", "name": "y"}]


def test_no_error_repeats_a_cell() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read('id,url\na,"s3cret\n')
    assert "s3cret" not in f"{refused.value!r} {refused.value.__cause__!r}"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        table = parse_csv(b"id,url\n" + content, kinds=KINDS)
    except ConfigurationError:
        return
    assert all(row.row >= 2 for row in table.rows)


@pytest.mark.parametrize(
    ("text", "word"), [(" Usuário ", "usuario"), ("FILTER-min size", "filter_min_size"), ("Endereço", "endereco")]
)
def test_column_names_are_compared_plainly(text: str, word: str) -> None:
    assert plain_word(text) == word
