//! What a query compares, orders and reads, whatever names it uses for it.

use super::{
    super::predicates::{Op, Unreadable, Use, With, uses},
    schema,
};

const SCHEMA: &str = "
    CREATE TABLE part(p_partkey INTEGER PRIMARY KEY, p_brand TEXT, p_name TEXT, p_size INTEGER);
    CREATE TABLE line(l_id INTEGER PRIMARY KEY, l_partkey INTEGER, l_qty REAL, l_day TEXT);
    CREATE VIEW busy(brand, part) AS SELECT p_brand, p_partkey FROM part WHERE p_size > 3;";

fn read(sql: &str) -> Vec<Use> {
    uses(sql, &schema(SCHEMA)).unwrap()
}

/// `column op with` for each term of a use.
fn terms(used: &Use) -> Vec<String> {
    let term = |term: &super::super::predicates::Term| {
        let name = term.part.column_name().unwrap_or("expression").to_owned();
        let op = if term.op == Op::Equal { "=" } else { "~" };
        let with = match &term.with {
            With::Constant => "constant",
            With::Join(_) => "join",
            With::Outer => "outer",
        };
        format!("{name} {op} {with}")
    };
    used.terms.iter().map(term).collect()
}

fn on<'u>(uses: &'u [Use], table: &str) -> Vec<&'u Use> {
    uses.iter().filter(|used| used.table == table).collect()
}

#[test]
fn a_correlated_subquery_seeks_by_a_value_from_outside() {
    let uses = read(
        "SELECT sum(l_qty) FROM line, part p WHERE p.p_partkey = l_partkey AND p_brand = 'x' \
         AND l_qty < (SELECT avg(l_qty) FROM line WHERE l_partkey = p.p_partkey)",
    );
    let lines = on(&uses, "line");
    assert_eq!(terms(lines[0]), ["l_partkey = join", "l_qty ~ outer"]);
    assert_eq!(terms(lines[1]), ["l_partkey = outer"]);
    assert_eq!(terms(on(&uses, "part")[0]), ["p_partkey = join", "p_brand = constant"]);
}

#[test]
fn not_exists_and_in_lead_to_the_inner_table() {
    let uses = read(
        "SELECT * FROM part WHERE NOT EXISTS (SELECT * FROM line WHERE l_partkey = p_partkey) \
         AND p_partkey IN (SELECT l_partkey FROM line WHERE l_day = 'd')",
    );
    let lines = on(&uses, "line");
    assert_eq!(terms(lines[0]), ["l_partkey = outer"]);
    assert!(lines[0].columns.iter().eq(["l_partkey"]), "EXISTS reads no other column");
    assert_eq!(terms(lines[1]), ["l_day = constant"]);
}

#[test]
fn names_are_followed_through_ctes_derived_tables_and_views() {
    let uses = read(
        "WITH big(k, q) AS (SELECT l_partkey, l_qty FROM line) \
         SELECT * FROM big JOIN (SELECT p_partkey AS pk, p_name FROM part) d ON d.pk = big.k \
         JOIN busy ON busy.part = d.pk WHERE big.q = 5 AND busy.brand = 'x' AND d.p_name = 'n'",
    );
    assert_eq!(terms(on(&uses, "line")[0]), ["l_partkey = join", "l_qty = constant"]);
    let parts = on(&uses, "part");
    assert_eq!(terms(parts[0]), ["p_partkey = join", "p_partkey = join", "p_name = constant"]);
    assert_eq!(terms(parts[1]), ["p_size ~ constant", "p_partkey = join", "p_brand = constant"]);
}

#[test]
fn a_recursive_step_seeks_by_the_row_before() {
    let uses = read(
        "WITH RECURSIVE tree(k) AS (SELECT 1 UNION ALL \
         SELECT l_id FROM tree JOIN line ON l_partkey = tree.k) SELECT count(*) FROM tree",
    );
    assert_eq!(terms(on(&uses, "line")[0]), ["l_partkey = outer"]);
}

#[test]
fn using_and_natural_joins_are_equalities() {
    let uses = read("SELECT * FROM line a JOIN line b USING (l_day)");
    assert_eq!(terms(&uses[0]), ["l_day = join"]);
    assert_eq!(terms(&uses[1]), ["l_day = join"]);
}

#[test]
fn a_like_prefix_is_a_range_without_case_on_text_only() {
    let uses = read("SELECT * FROM part WHERE p_name LIKE 'ab%' AND p_size LIKE '1%'");
    assert_eq!(terms(&uses[0]), ["p_name ~ constant"]);
    assert_eq!(uses[0].terms[0].part.collation.as_deref(), Some("nocase"));
    assert!(terms(&read("SELECT * FROM part WHERE p_name LIKE '%ab'")[0]).is_empty());
}

#[test]
fn what_no_index_can_serve_is_no_term() {
    let uses = read("SELECT * FROM line WHERE +l_day = 'x' AND l_qty = l_partkey");
    assert!(terms(&uses[0]).is_empty(), "{:?}", uses[0].terms);
}

#[test]
fn branches_of_an_or_are_kept_apart_and_what_they_share_holds() {
    let uses = read(
        "SELECT * FROM line, part WHERE (p_partkey = l_partkey AND l_qty = 1) \
         OR (p_partkey = l_partkey AND l_day = 'x')",
    );
    let line = on(&uses, "line")[0];
    assert_eq!(terms(line), ["l_partkey = join"]);
    assert_eq!(line.branches.len(), 2);
}

#[test]
fn orders_follow_aliases_positions_and_direction() {
    let uses = read("SELECT l_day AS d, l_qty FROM line ORDER BY d DESC, 2, l_id");
    let order: Vec<(Option<&str>, bool)> =
        uses[0].orders[0].iter().map(|part| (part.column_name(), part.desc)).collect();
    assert_eq!(order, [(Some("l_day"), true), (Some("l_qty"), false), (Some("l_id"), false)]);
}

#[test]
fn only_functions_that_never_fail_become_expressions() {
    let keys = |sql: &str| -> Vec<String> {
        let part = |term: &super::super::predicates::Term| format!("{:?}", term.part.key);
        read(sql)[0].terms.iter().map(part).collect()
    };
    assert_eq!(
        keys("SELECT * FROM part p WHERE lower(p.p_name) = 'x'"),
        ["Expression(\"lower(p_name)\")"]
    );
    assert!(keys("SELECT * FROM part WHERE json_extract(p_name, '$.a') = 1").is_empty());
    assert!(keys("SELECT * FROM part WHERE date(p_name) = '2024-01-01'").is_empty());
}

#[test]
fn what_cannot_be_parsed_is_said() {
    let error = uses("SELECT FROM WHERE", &schema(SCHEMA)).unwrap_err();
    assert!(matches!(error, Unreadable::Syntax(_)));
}
