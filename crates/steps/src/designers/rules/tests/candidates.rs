//! Which indexes follow from a query, and how they are written.

use super::{
    super::{
        candidates::candidates,
        definition::{Definition, Part, quote},
        predicates::uses,
        proposal::normal,
    },
    schema,
};
use std::collections::BTreeSet;

const SCHEMA: &str = "
    CREATE TABLE \"order\"(id INTEGER PRIMARY KEY, customer INTEGER, status TEXT, placed TEXT,
        \"total amount\" REAL, note TEXT, code TEXT UNIQUE);
    CREATE TABLE line(order_id INTEGER, no INTEGER, product INTEGER, PRIMARY KEY (order_id, no));
    CREATE INDEX order_status ON \"order\"(status, placed);
    CREATE INDEX order_open ON \"order\"(placed) WHERE status = 'open';";

fn bodies(sql: &str) -> Vec<String> {
    let schema = schema(SCHEMA);
    let uses = uses(sql, &schema).unwrap();
    candidates(&uses, &schema).iter().map(|index| index.body(&schema)).collect()
}

#[test]
fn equality_comes_first_then_range_or_order_then_what_makes_it_covering() {
    let found = bodies(
        "SELECT \"total amount\" FROM \"order\" WHERE placed > '2024' AND customer = 7 \
         ORDER BY note DESC",
    );
    for wanted in [
        "\"order\"(customer)",
        "\"order\"(customer, placed)",
        "\"order\"(customer, note DESC)",
        "\"order\"(customer, placed, note, \"total amount\")",
    ] {
        assert!(found.iter().any(|body| body == wanted), "{wanted} is missing in {found:#?}");
    }
}

#[test]
fn what_exists_already_is_no_candidate() {
    let found = bodies("SELECT id FROM \"order\" WHERE status = 'open' AND id = 3 AND code = 'c'");
    assert!(!found.iter().any(|body| body == "\"order\"(status)"), "{found:#?}");
    assert!(!found.iter().any(|body| body.starts_with("\"order\"(id")), "{found:#?}");
    assert!(!found.iter().any(|body| body == "\"order\"(code)"), "{found:#?}");
    let found = bodies("SELECT product FROM line WHERE order_id = 3 ORDER BY no");
    assert!(!found.iter().any(|body| body == "line(order_id)" || body == "line(order_id, no)"));
    let found = bodies("SELECT id FROM \"order\" WHERE status = 'open' ORDER BY placed");
    assert!(!found.iter().any(|body| body == "\"order\"(placed) WHERE status = 'open'"));
}

#[test]
fn a_partial_index_leaves_out_the_column_that_it_fixes() {
    let found = bodies("SELECT id FROM \"order\" WHERE status = 'paid' AND customer = 7");
    assert!(found.iter().any(|body| body == "\"order\"(customer) WHERE status = 'paid'"));
    let found = bodies("SELECT id FROM \"order\" WHERE note IS NULL AND customer = 7");
    assert!(found.iter().any(|body| body == "\"order\"(customer) WHERE note IS NULL"));
}

#[test]
fn names_are_readable_unique_and_not_too_long() {
    let schema = schema(SCHEMA);
    let index = |columns: &[&str]| Definition {
        table: "order".to_owned(),
        parts: columns.iter().map(|name| Part::column(name)).collect(),
        filter: None,
    };
    let mut taken = BTreeSet::new();
    assert_eq!(index(&["total amount"]).name(&schema, &mut taken), "kz_order_total_amount");
    assert_eq!(index(&["total amount"]).name(&schema, &mut taken), "kz_order_total_amount_2");
    let all = ["customer", "status", "placed", "total amount", "note", "code", "id"];
    assert!(index(&all).name(&schema, &mut taken).len() <= 60);
}

#[test]
fn identifiers_are_quoted_where_they_must_be() {
    assert_eq!(quote("lineitem"), "lineitem");
    assert_eq!(quote("Order"), "\"Order\"");
    assert_eq!(quote("total amount"), "\"total amount\"");
    assert_eq!(quote("a\"b"), "\"a\"\"b\"");
    assert_eq!(quote("1st"), "\"1st\"");
}

#[test]
fn a_script_is_known_again_whatever_its_names_and_spaces() {
    let before = normal("CREATE INDEX kz_a ON \"order\"(customer,\n  status);");
    assert_eq!(before, normal("create index Other ON order (customer, status)"));
    assert_ne!(before, normal("create index kz_a ON \"order\"(status, customer)"));
    assert_ne!(normal("DROP INDEX a"), normal("DROP INDEX b"));
}
