//! What the rules propose, and what they leave alone.

#![allow(clippy::unwrap_used)]

use super::{Limits, design};
use crate::{
    payload::{Proposal, server::ServerAnalysis},
    sql::{Declared, tsql},
    targets::sqlserver::tests::Export,
};
use kaizen_engine::journal::Timestamp;
use serde_json::{Value, json};

const LIMITS: Limits =
    Limits { max_changes: 3, min_observed_days: 30.0, now: Timestamp(1_795_176_000_000_000) };

fn export() -> Export {
    Export::new().ran("0x1", "0xA", 1, 100.0, 10.0)
}

fn missing(uses: i64, impact: f64) -> Value {
    json!({
        "section": "missing_index", "schema_name": "dbo", "table_name": "Orders",
        "columns": [
            { "name": "CustomerId", "usage": "EQUALITY" },
            { "name": "Placed", "usage": "INEQUALITY" },
            { "name": "Total", "usage": "INCLUDE" },
        ],
        "uses": uses, "cost": 12.5, "impact_pct": impact, "row_count": 1_000_000,
    })
}

/// A plain index; `changed` is put over it.
fn index(name: &str, keys: &[&str], included: &[&str], changed: &Value) -> Value {
    let column = |included: i32| move |name: &&str| json!({ "name": name, "descending": 0, "included": included });
    let columns: Vec<Value> =
        keys.iter().map(column(0)).chain(included.iter().map(column(1))).collect();
    let mut index = json!({
        "section": "index", "schema_name": "dbo", "table_name": "Orders", "index_name": name,
        "type": "NONCLUSTERED", "is_unique": 0, "is_constraint": 0, "is_disabled": 0, "filter": null,
        "columns": columns, "pages": 1_000, "reads": 10, "writes": 500, "is_referenced": 0,
        "is_forced": 0,
    });
    for (key, value) in changed.as_object().unwrap() {
        index[key] = value.clone();
    }
    index
}

fn proposed(analysis: &ServerAnalysis) -> (Vec<String>, Proposal) {
    let proposal = design(analysis, LIMITS, &[]);
    let ups = proposal.candidates.iter().map(|c| c.change.up.clone().unwrap()).collect();
    // Whatever a rule writes is understood as what it claims to be.
    for candidate in &proposal.candidates {
        let change = &candidate.change;
        let declared = Declared { kind: change.kind, risk: change.risk };
        let down = change.down.as_deref();
        let found = tsql::classify(change.up.as_deref().unwrap(), down, declared).unwrap();
        assert_eq!((Some(found.kind), Some(found.risk)), (change.kind, change.risk));
        assert_eq!(found.needs_human, Vec::<String>::new());
    }
    (ups, proposal)
}

#[test]
fn an_index_that_the_optimizer_misses_is_proposed() {
    let (ups, proposal) = proposed(&export().with(missing(5_000, 80.0)).server());
    assert_eq!(
        ups,
        ["CREATE NONCLUSTERED INDEX [kz_Orders_CustomerId_Placed] ON [dbo].[Orders] \
          ([CustomerId], [Placed]) INCLUDE ([Total]) WITH (ONLINE = ON (WAIT_AT_LOW_PRIORITY (MAX_DURATION = 5 \
          MINUTES, ABORT_AFTER_WAIT = SELF)), MAXDOP = 2);\n"]
    );
    assert_eq!(
        proposal.candidates[0].change.down.as_deref(),
        Some("DROP INDEX [kz_Orders_CustomerId_Placed] ON [dbo].[Orders];\n")
    );
    assert!(proposal.candidates[0].rationale.contains("nothing was measured"));
    let older = export().set("server", "version", json!("15.0.4000.1")).with(missing(5_000, 80.0));
    assert!(proposed(&older.server()).0[0].ends_with("WITH (ONLINE = ON, MAXDOP = 2);\n"));
    let standard = export().set("server", "engine_edition", json!(2)).with(missing(5_000, 80.0));
    assert!(
        proposed(&standard.server()).0[0].ends_with("WITH (MAXDOP = 2);\n"),
        "no online builds"
    );
}

#[test]
fn what_hardly_anybody_asked_for_is_not() {
    for line in [missing(5, 80.0), missing(5_000, 3.0)] {
        let (ups, proposal) = proposed(&export().with(line).server());
        assert_eq!(ups, Vec::<String>::new());
        assert!(proposal.notes.iter().any(|note| note.contains("least")), "{:?}", proposal.notes);
    }
    let there = index("ix", &["CustomerId", "Placed", "Id"], &[], &json!({}));
    let (ups, proposal) = proposed(&export().with(missing(5_000, 80.0)).with(there).server());
    assert_eq!(ups, Vec::<String>::new());
    assert!(proposal.notes[0].contains("ix begins with the same columns"), "{:?}", proposal.notes);
}

#[test]
fn what_was_rolled_back_is_not_proposed_again() {
    let server = export().with(missing(5_000, 80.0)).server();
    let up = design(&server, LIMITS, &[]).candidates[0].change.up.clone().unwrap();
    let again = design(&server, LIMITS, &[up.to_uppercase().replace(' ', "\n ")]);
    assert!(again.candidates.is_empty());
}

#[test]
fn an_index_that_another_covers_is_dropped_and_can_be_made_again() {
    let wide = index("wide", &["CustomerId", "Placed"], &["Total"], &json!({ "pages": 9_000 }));
    let narrow = index("narrow", &["CustomerId"], &["Total"], &json!({}));
    let (ups, proposal) = proposed(&export().with(wide).with(narrow).server());
    assert_eq!(ups, ["DROP INDEX [narrow] ON [dbo].[Orders];\n"]);
    assert_eq!(
        proposal.candidates[0].change.down.as_deref(),
        Some(
            "CREATE NONCLUSTERED INDEX [narrow] ON [dbo].[Orders] ([CustomerId]) INCLUDE ([Total]) \
             WITH (ONLINE = ON (WAIT_AT_LOW_PRIORITY (MAX_DURATION = 5 MINUTES, ABORT_AFTER_WAIT = \
             SELF)), MAXDOP = 2);\n"
        )
    );
}

#[test]
fn of_two_alike_one_stays() {
    let (ups, _) = proposed(
        &export()
            .with(index("a", &["CustomerId"], &[], &json!({})))
            .with(index("b", &["CustomerId"], &[], &json!({})))
            .server(),
    );
    assert_eq!(ups.len(), 1, "{ups:?}");
}

#[test]
fn what_something_rests_on_stays() {
    let wide = || index("wide", &["CustomerId", "Placed"], &[], &json!({ "pages": 9_000 }));
    for held in [
        json!({ "is_unique": 1 }),
        json!({ "is_constraint": 1 }),
        json!({ "is_referenced": 1 }),
        json!({ "is_forced": 1 }),
        json!({ "filter": "([a]>(1))" }),
        json!({ "is_special": 1 }),
        json!({ "type": "CLUSTERED" }),
    ] {
        let narrow = index("narrow", &["CustomerId"], &[], &held);
        let (ups, _) = proposed(&export().with(wide()).with(narrow).server());
        assert_eq!(ups, Vec::<String>::new(), "{held}");
    }
    let hinted = export()
        .query("0x1", "SELECT * FROM Orders WITH (INDEX(narrow)) WHERE CustomerId = 1")
        .with(wide())
        .with(index("narrow", &["CustomerId"], &[], &json!({})));
    assert_eq!(proposed(&hinted.server()).0, Vec::<String>::new(), "a hint names it");
    // Another order or direction serves other queries.
    let other = index("other", &["Placed", "CustomerId"], &[], &json!({}));
    assert_eq!(proposed(&export().with(wide()).with(other).server()).0, Vec::<String>::new());
    let covers_less = index("narrow", &["CustomerId"], &["Note"], &json!({}));
    assert_eq!(proposed(&export().with(wide()).with(covers_less).server()).0, Vec::<String>::new());
}

#[test]
fn unused_is_said_only_after_long_enough_and_of_every_replica() {
    let unused = || index("old", &["Note"], &[], &json!({ "reads": null }));
    let (ups, proposal) = proposed(&export().with(unused()).server());
    assert_eq!(ups, ["DROP INDEX [old] ON [dbo].[Orders];\n"]);
    assert!(proposal.candidates[0].rationale.contains("for 40 days"));
    let young = export().set("server", "uptime_s", json!(86_400)).with(unused());
    let (ups, proposal) = proposed(&young.server());
    assert_eq!(ups, Vec::<String>::new());
    assert!(proposal.notes.iter().any(|note| note.contains("1.0 days only")));
    let readers = export().set("server", "replicas", json!(2)).with(unused());
    let (ups, proposal) = proposed(&readers.server());
    assert_eq!(ups, Vec::<String>::new());
    assert!(proposal.notes.iter().any(|note| note.contains("one of 2 replicas")));
}

/// A query that took 5 ms with one plan and takes 50 with another.
fn regressed() -> Export {
    let (hash, before, now) = ("0x00000000000000A1", "0x00000000000000B1", "0x00000000000000B2");
    let hours =
        (30..60).fold(Export::new(), |export, ago| export.ran(hash, before, ago, 500.0, 5.0));
    (1..20).fold(hours, |export, ago| export.ran(hash, now, ago, 500.0, 50.0))
}

#[test]
fn the_earlier_plan_of_a_query_that_got_slower_is_forced_for_a_while() {
    // Before any index: what was well until yesterday can be well again tonight.
    let (ups, proposal) = proposed(&regressed().with(missing(5_000, 80.0)).server());
    assert_eq!(ups.len(), 1, "{ups:?}");
    assert!(ups[0].contains("query_hash = 0x00000000000000A1"), "{}", ups[0]);
    assert!(ups[0].contains("query_plan_hash = 0x00000000000000B1"), "{}", ups[0]);
    // 30 days after 2026-11-20T12:00:00Z.
    assert!(ups[0].contains("'2026-12-20T12:00:00'"), "{}", ups[0]);
    assert!(proposal.candidates[0].rationale.contains("5.0 ms"));
}

#[test]
fn a_plan_is_not_forced_beside_automatic_tuning_nor_where_forcing_failed() {
    let tuned = regressed().set("query_store", "force_last_good_plan", json!("ON"));
    let (ups, proposal) = proposed(&tuned.server());
    assert_eq!(ups, Vec::<String>::new());
    assert!(proposal.notes[0].contains("by itself"), "{:?}", proposal.notes);
    let failed = regressed().with(json!({
        "section": "plan", "query_hash": "0x00000000000000A1", "plan_hash": "0x00000000000000B1",
        "forced": 1, "force_failures": 3, "failure_reason": "NO_PLAN",
    }));
    let (ups, proposal) = proposed(&failed.server());
    assert_eq!(ups, Vec::<String>::new());
    assert!(proposal.notes[0].contains("NO_PLAN"), "{:?}", proposal.notes);
}
