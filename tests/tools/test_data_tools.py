"""Tools for data: JSON, CSV, YAML, TOML, SQL over files."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.tools.builtin import csv_tables, documents, json_values, sql
from resprout.activities.tools.builtin.json_patches import apply_patch, difference
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands

USERS = {"users": [{"name": "ada", "age": 36}, {"name": "bob", "age": 7}], "a/b": {"~": 1}}
SALES = "city,price\nRome,2.5\nOslo,4\nRome,3\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghi")
)


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        (json_values.get, {"value": USERS, "path": "/users/1/name"}, "bob"),
        (json_values.get, {"value": USERS, "path": "/a~1b/~0"}, 1),
        (json_values.get, {"value": USERS, "path": ""}, USERS),
        (json_values.get, {"value": USERS, "path": "users[0].name"}, "ada"),
        (json_values.get, {"value": USERS, "path": "$.users[-1]['name']"}, "bob"),
        (json_values.get, {"value": USERS, "path": "users[*].age"}, [36, 7]),
        (json_values.get, {"value": USERS, "path": "..name"}, ["ada", "bob"]),
        (json_values.get, {"value": USERS, "path": "/x", "default": 0}, 0),
        (json_values.get, {"value": USERS, "path": "x", "has_default": True}, None),
        (
            json_values.query,
            {"value": USERS, "expression": "value.users.filter(u, u.age > 30).map(u, u.name)"},
            ["ada"],
        ),
        (
            json_values.merge,
            {"value": {"a": 1, "b": {"c": [1]}}, "changes": {"a": None, "b": {"d": 2}}},
            {"b": {"c": [1], "d": 2}},
        ),
        (json_values.merge, {"value": {"c": [1]}, "changes": {"c": [2]}, "lists": "append"}, {"c": [1, 2]}),
        (
            json_values.patch,
            {
                "value": {"a": [1, 2], "b": 1},
                "patch": [
                    {"op": "test", "path": "/b", "value": 1},
                    {"op": "add", "path": "/a/-", "value": 3},
                    {"op": "move", "from": "/b", "path": "/c"},
                    {"op": "copy", "from": "/a", "path": "/d"},
                    {"op": "remove", "path": "/a/0"},
                    {"op": "replace", "path": "/c", "value": None},
                ],
            },
            {"a": [2, 3], "c": None, "d": [1, 2, 3]},
        ),
        (documents.parse_toml_text, {"text": "[a]\nb = 2026-01-02\n"}, {"a": {"b": "2026-01-02"}}),
    ],
)
async def test_a_tool_for_values_gives(hands: Hands, tool: Tool, arguments: dict[str, Any], expected: Any) -> None:
    assert (await hands.use(tool, **arguments))["value"] == expected


async def test_a_value_is_checked_by_a_schema_and_each_fault_has_a_place(hands: Hands) -> None:
    schema = {"properties": {"users": {"items": {"properties": {"age": {"minimum": 18}}, "required": ["mail"]}}}}

    checked = await hands.use(json_values.validate, value={"users": [{"mail": "a", "age": 7}, {}]}, json_schema=schema)

    assert checked == {
        "valid": False,
        "violations": [
            {"pointer": "/users/0/age", "said": "7 is less than the minimum of 18"},
            {"pointer": "/users/1", "said": "'mail' is a required property"},
        ],
    }


async def test_a_schema_whose_pattern_never_ends_is_ended(hands: Hands) -> None:
    with pytest.raises(ToolError, match="took longer than 2 s of processor time"):
        await hands.use(json_values.validate, value="a" * 50 + "!", json_schema={"pattern": "^(a+)+$"})


async def test_a_difference_of_values_is_a_patch(hands: Hands) -> None:
    found = await hands.use(json_values.diff, a={"x": [1, 2, 3], "y": 1}, b={"x": [1, 4], "z": True})

    assert found["patch"] == [
        {"op": "remove", "path": "/y"},
        {"op": "replace", "path": "/x/1", "value": 4},
        {"op": "remove", "path": "/x/2"},
        {"op": "add", "path": "/z", "value": True},
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 1.5]) | st.text("a/~", max_size=2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("a/~0", max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON, _JSON)
def test_a_patch_made_of_two_values_leads_from_one_to_the_other(a: Any, b: Any) -> None:
    before = json.dumps(a)

    made = apply_patch(a, difference(a, b))

    assert json.dumps(made, sort_keys=True).replace(".0", "") == json.dumps(b, sort_keys=True).replace(".0", "")
    assert json.dumps(a) == before


async def test_csv_becomes_rows_and_rows_become_csv(hands: Hands) -> None:
    table = await hands.use(csv_tables.parse, text='name;id;x\n"a;b";007;1.50\nc;;-3\n')
    written = await hands.use(csv_tables.write, rows=[{"a": 1, "b": 'x"y'}, {"a": None, "c": True}])

    assert table["rows"] == [{"name": "a;b", "id": "007", "x": 1.5}, {"name": "c", "id": None, "x": -3}]
    assert written == {"csv": 'a,b,c\n1,"x""y",\n,,true\n', "rows": 2}


async def test_columns_are_described(hands: Hands) -> None:
    described = await hands.use(csv_tables.stats, text=SALES)

    city, price = described["columns"]
    assert (city["kind"], city["distinct"], city["most_common"][0]) == ("text", 2, ["Rome", 2])
    assert (price["kind"], price["minimum"], price["maximum"], price["median"]) == ("number", 2.5, 4.0, 3.0)


async def test_yaml_is_read_and_written(hands: Hands) -> None:
    read = await hands.use(documents.parse_yaml_text, text="a: [1, yes]\nb: 2026-01-02\n---\n- x\n")
    written = await hands.use(documents.dump_yaml_text, value={"z": [1, "ü"], "a": {"b": None}})

    assert read["documents"] == [{"a": [1, "yes"], "b": "2026-01-02"}, ["x"]]
    assert written["text"] == "z:\n- 1\n- ü\na:\n  b: null\n"


@pytest.mark.parametrize(
    ("source", "text", "target", "expected"),
    [
        (
            "csv",
            SALES,
            "jsonl",
            '{"city": "Rome", "price": 2.5}\n{"city": "Oslo", "price": 4}\n{"city": "Rome", "price": 3}\n',
        ),
        ("jsonl", '{"a": 1}\n{"b": [2]}\n', "csv", "a,b\n1,\n,[2]\n"),
        ("toml", "a = 1", "yaml", "a: 1\n"),
        ("yaml", "a: 1", "json", '{\n  "a": 1\n}\n'),
        ("json", '{"a": {"b": 1}}', "csv", 'a\n"{""b"": 1}"\n'),
    ],
)
async def test_data_changes_its_format(hands: Hands, source: str, text: str, target: str, expected: str) -> None:
    assert (await hands.use(documents.convert, text=text, source=source, target=target))["text"] == expected


async def test_files_are_asked_in_sql(hands: Hands) -> None:
    hands.put("sales.csv", SALES)
    hands.put("cities.json", json.dumps([{"city": "Rome", "country": "IT"}, {"city": "Oslo", "tags": ["fjord"]}]))

    answer = await hands.use(
        sql.query,
        tables={"sales": "sales.csv", "cities": "cities.json"},
        sql="SELECT country, sum(price) AS total FROM sales JOIN cities USING (city) "
        "WHERE price < :most GROUP BY 1 ORDER BY 2",
        parameters={"most": 100},
    )

    assert answer == {"columns": ["country", "total"], "rows": [[None, 4], ["IT", 5.5]], "truncated": False}
    assert hands.needs(sql.query, tables={"a": "x.csv", "b": "/y.json"}, sql="SELECT 1") == [
        "files.read:workspace:x.csv",
        "files.read:/y.json",
    ]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE t", "may only SELECT"),
        ("ATTACH '/etc/passwd' AS x", "may only SELECT"),
        ("PRAGMA database_list", "may only SELECT"),
        ("INSERT INTO t VALUES (1, 2)", "may only SELECT"),
        ("SELECT load_extension('x')", "may only SELECT"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT colour FROM t", "no such column: colour"),
        ("SELECT zeroblob(99999999)", "too big"),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n", "longer than 2 s"),
        (
            "WITH RECURSIVE n(i, x) AS (SELECT 1, 'a' UNION ALL SELECT i + 1, randomblob(4000000) FROM n) "
            "SELECT max(i) FROM (SELECT * FROM n ORDER BY x)",
            "out of memory|MB of memory",
        ),
    ],
)
async def test_sql_that_does_more_than_ask_is_refused(hands: Hands, statement: str, said: str) -> None:
    hands.put("t.csv", SALES)

    with pytest.raises(ToolError, match=said):
        await hands.use(sql.query, tables={"t": "t.csv"}, sql=statement)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (json_values.get, {"value": USERS, "path": "/users/2"}, "nothing at `/users/2`: the list has 2 items"),
        (json_values.get, {"value": USERS, "path": "users[0].mail"}, r"nothing at `users\[0\].mail`: give a `default`"),
        (json_values.get, {"value": USERS, "path": "users["}, "`path` cannot be read at character 6"),
        (json_values.query, {"value": 1, "expression": "value +"}, "`expression` is not CEL"),
        (json_values.query, {"value": 1, "expression": "value / 0"}, "the expression has no value"),
        (json_values.validate, {"value": 1, "json_schema": {"type": "numbr"}}, "is no JSON Schema, at `/type`"),
        (
            json_values.validate,
            {"value": 1, "json_schema": {"$ref": "http://x.org/y"}},
            "is not within it: put it under",
        ),
        (json_values.diff, {"a": 1}, "`b`: it is missing"),
        (
            json_values.patch,
            {"value": {}, "patch": [{"op": "remove", "path": "/a"}]},
            "operation 1 of the patch does not",
        ),
        (json_values.patch, {"value": {}, "patch": [{"op": "test", "path": "", "value": 1}]}, "another value"),
        (json_values.patch, {"value": {}, "patch": [{"op": "eat", "path": ""}]}, "'eat' is no operation"),
        (
            json_values.patch,
            {"value": list(range(1000)), "patch": [{"op": "copy", "from": "", "path": "/0"}] * 30},
            "makes the value too large",
        ),
        (json_values.merge, {"value": 1}, "`changes`: it is missing"),
        (csv_tables.parse, {"text": "a,b\n1,2,3\n"}, "row 2 has 3 cells, but there are 2 columns"),
        (csv_tables.parse, {"text": 'a\n"b'}, "line 2 of `text` is no CSV"),
        (csv_tables.write, {"rows": [{"a": [1]}]}, "row 1 has a list or an object in a cell"),
        (csv_tables.stats, {"text": "a,a\n"}, "two columns are called 'a': rename one"),
        (documents.parse_yaml_text, {"text": "a: [1"}, "`text` is no YAML, line 1"),
        (documents.parse_yaml_text, {"text": BOMB}, "stands for more than 500,000 values"),
        (documents.parse_yaml_text, {"text": "!!python/object/apply:os.system [id]"}, "is no YAML"),
        (documents.dump_yaml_text, {}, "`value`: it is missing"),
        (documents.parse_toml_text, {"text": "a ="}, "`text` is no TOML: Invalid value"),
        (documents.convert, {"text": "[1]", "source": "json", "target": "csv"}, "only a list of objects becomes CSV"),
        (documents.convert, {"text": '{"a": NaN}', "source": "json", "target": "yaml"}, "NaN is no number"),
        (documents.convert, {"text": "[" * 100_000, "source": "json", "target": "yaml"}, "nested too deep"),
        (sql.query, {"tables": {"t": "gone.csv"}, "sql": "SELECT 1"}, "`gone.csv` does not exist"),
        (sql.query, {"tables": {"t; drop": "a.csv"}, "sql": "SELECT 1"}, "String should match pattern"),
    ],
)
async def test_what_a_tool_for_data_cannot_do_is_said(
    hands: Hands, tool: Tool, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises((ToolError, BadArguments), match=said):
        await hands.use(tool, **arguments)
