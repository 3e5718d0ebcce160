//! Sample databases, generated: TPC-H, a shop with tenants and an event log, a forum with a
//! social graph and a time series. Skewed on purpose; the same seed gives the same rows.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use rusqlite::{Connection, params_from_iter, types::Value};
use std::{error::Error, fmt::Display, path::Path};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};

type Done = Result<(), Box<dyn Error>>;

const TPCH_SCHEMA: &str = include_str!("tpch_schema.sql");
const SHOP_SCHEMA: &str = include_str!("shop_schema.sql");
const FORUM_SCHEMA: &str = include_str!("forum_schema.sql");

/// A sample's workload.
pub fn workload(name: &str) -> Option<&'static str> {
    match name {
        "tpch" => Some(include_str!("tpch.sql")),
        "shop" => Some(include_str!("shop.sql")),
        "forum" => Some(include_str!("forum.sql")),
        _ => None,
    }
}

/// Writes the sample database.
pub fn generate(name: &str, path: &Path, scale: f64, seed: u64) -> Done {
    let conn = Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA foreign_keys = OFF; BEGIN",
    )?;
    match name {
        "tpch" => tpch(&conn, scale)?,
        "shop" => shop(&conn, scale, &mut SmallRng::seed_from_u64(seed))?,
        "forum" => forum(&conn, scale, &mut SmallRng::seed_from_u64(seed))?,
        other => return Err(format!("no such sample: {other}").into()),
    }
    conn.execute_batch("COMMIT")?;
    Ok(())
}

fn tpch(conn: &Connection, scale: f64) -> Done {
    conn.execute_batch(TPCH_SCHEMA)?;
    lines(conn, "region", RegionGenerator::new(scale, 1, 1).iter())?;
    lines(conn, "nation", NationGenerator::new(scale, 1, 1).iter())?;
    lines(conn, "supplier", SupplierGenerator::new(scale, 1, 1).iter())?;
    lines(conn, "part", PartGenerator::new(scale, 1, 1).iter())?;
    lines(conn, "partsupp", PartSuppGenerator::new(scale, 1, 1).iter())?;
    lines(conn, "customer", CustomerGenerator::new(scale, 1, 1).iter())?;
    lines(conn, "orders", OrderGenerator::new(scale, 1, 1).iter())?;
    lines(conn, "lineitem", LineItemGenerator::new(scale, 1, 1).iter())
}

/// TPC-H rows print as fields with `|` behind each.
fn lines(conn: &Connection, table: &str, rows: impl Iterator<Item: Display>) -> Done {
    let rows = rows.map(|row| {
        let line = row.to_string();
        line.trim_end_matches('|').split('|').map(|field| Value::Text(field.to_owned())).collect()
    });
    insert(conn, table, rows)
}

fn insert(conn: &Connection, table: &str, rows: impl Iterator<Item = Vec<Value>>) -> Done {
    for row in rows {
        let marks = vec!["?"; row.len()].join(", ");
        conn.prepare_cached(&format!("INSERT OR IGNORE INTO \"{table}\" VALUES ({marks})"))?
            .execute(params_from_iter(row))?;
    }
    Ok(())
}

fn shop(conn: &Connection, scale: f64, rng: &mut SmallRng) -> Done {
    conn.execute_batch(SHOP_SCHEMA)?;
    let tenants = 50;
    let (customers, products) = (scaled(8_000, scale), scaled(3_000, scale));
    insert(
        conn,
        "tenants",
        (1..=tenants).map(|id| vec![int(id), text(format!("tenant {id}")), text("basic")]),
    )?;
    let countries = ["DE", "FR", "US", "GB", "JP", "BR"];
    let rows: Vec<_> = (1..=customers)
        .map(|id| {
            let deleted = if rng.random_ratio(1, 50) { text(day(rng)) } else { Value::Null };
            let country = countries[skewed(rng, 6) as usize];
            vec![
                int(id),
                int(1 + skewed(rng, tenants)),
                text(format!("User{id}@Example.org")),
                text(country),
                text(day(rng)),
                deleted,
            ]
        })
        .collect();
    insert(conn, "customers", rows.into_iter())?;
    let rows: Vec<_> = (1..=products)
        .map(|id| {
            let category = format!("category {}", skewed(rng, 30));
            vec![
                int(id),
                int(1 + skewed(rng, tenants)),
                text(format!("sku-{id}")),
                text(category),
                Value::Real(rng.random_range(1.0..200.0)),
            ]
        })
        .collect();
    insert(conn, "products", rows.into_iter())?;
    let states = ["paid", "paid", "paid", "shipped", "shipped", "open", "returned"];
    for id in 1..=scaled(30_000, scale) {
        let status = if rng.random_ratio(9, 10) { "paid" } else { states[rng.random_range(0..7)] };
        let order = vec![
            int(id),
            int(1 + skewed(rng, tenants)),
            int(1 + skewed(rng, customers)),
            text(status),
            text(day(rng)),
            Value::Real(rng.random_range(5.0..900.0)),
        ];
        insert(conn, "order", std::iter::once(order))?;
        let items: Vec<_> = (1..=rng.random_range(1..6))
            .map(|line| {
                vec![
                    int(id),
                    int(line),
                    int(1 + skewed(rng, products)),
                    int(rng.random_range(1..5)),
                    Value::Real(rng.random_range(1.0..200.0)),
                ]
            })
            .collect();
        insert(conn, "order_items", items.into_iter())?;
    }
    for id in 1..=scaled(100_000, scale) {
        let kind = match rng.random_range(0..1000) {
            0..3 => "error",
            3..60 => "buy",
            60..200 => "cart",
            _ => "view",
        };
        let customer =
            if rng.random_ratio(1, 3) { int(1 + skewed(rng, customers)) } else { Value::Null };
        let url = format!("/product/{}", skewed(rng, 2_000));
        let event = vec![
            int(id),
            int(1 + skewed(rng, tenants)),
            customer,
            text(kind),
            int(1_700_000_000 + id * 7),
            text(url),
            text("x".repeat(60)),
        ];
        insert(conn, "events", std::iter::once(event))?;
    }
    let rows: Vec<_> = (1..=scaled(6_000, scale))
        .map(|id| {
            vec![
                text(format!("token-{id}")),
                int(1 + skewed(rng, customers)),
                int(1_700_000_000 + rng.random_range(0..90_000)),
            ]
        })
        .collect();
    insert(conn, "sessions", rows.into_iter())
}

fn forum(conn: &Connection, scale: f64, rng: &mut SmallRng) -> Done {
    conn.execute_batch(FORUM_SCHEMA)?;
    let (users, threads, posts) =
        (scaled(6_000, scale), scaled(4_000, scale), scaled(60_000, scale));
    let rows: Vec<_> = (1..=users)
        .map(|id| vec![int(id), text(format!("user-{id}")), int(skewed(rng, 5_000)), text("eu")])
        .collect();
    insert(conn, "users", rows.into_iter())?;
    let rows: Vec<_> = (1..=threads)
        .map(|id| {
            let pinned = i64::from(rng.random_ratio(1, 200));
            vec![
                int(id),
                int(1 + skewed(rng, 12)),
                int(1 + skewed(rng, users)),
                text(format!("thread {id}")),
                int(pinned),
                int(1_700_000_000 + rng.random_range(0..700_000)),
            ]
        })
        .collect();
    insert(conn, "threads", rows.into_iter())?;
    let rows: Vec<_> = (1..=posts)
        .map(|id| {
            let parent = if id > 1 && rng.random_ratio(3, 4) {
                int(rng.random_range((id - 400).max(1)..id))
            } else {
                Value::Null
            };
            let hidden = i64::from(rng.random_ratio(1, 300));
            vec![
                int(id),
                int(1 + skewed(rng, threads)),
                parent,
                int(1 + skewed(rng, users)),
                int(1_700_000_000 + id * 11),
                int(rng.random_range(0..100)),
                int(hidden),
                text("lorem ipsum ".repeat(12)),
            ]
        })
        .collect();
    insert(conn, "posts", rows.into_iter())?;
    let rows: Vec<_> = (0..scaled(40_000, scale))
        .map(|at| vec![int(1 + skewed(rng, users)), int(1 + skewed(rng, users)), int(at)])
        .collect();
    insert(conn, "follows", rows.into_iter())?;
    let rows: Vec<_> = (0..scaled(80_000, scale))
        .map(|at| vec![int(1 + skewed(rng, users)), int(1 + skewed(rng, posts)), int(1), int(at)])
        .collect();
    insert(conn, "votes", rows.into_iter())?;
    let metrics = ["load", "load", "load", "temp"];
    let rows: Vec<_> = (0..scaled(90_000, scale))
        .map(|n| {
            vec![
                int(rng.random_range(0..60)),
                int(1_700_000_000 + n * 6),
                text(metrics[rng.random_range(0..4)]),
                Value::Real(rng.random_range(0.0..100.0)),
            ]
        })
        .collect();
    insert(conn, "readings", rows.into_iter())
}

fn scaled(rows: i64, scale: f64) -> i64 {
    ((rows as f64) * scale).round().max(10.0) as i64
}

/// 0 to `n` exclusive, small numbers much oftener.
fn skewed(rng: &mut SmallRng, n: i64) -> i64 {
    let x: f64 = rng.random();
    ((x * x * n as f64) as i64).min(n - 1)
}

fn day(rng: &mut SmallRng) -> String {
    format!("2024-{:02}-{:02}", rng.random_range(1..13), rng.random_range(1..29))
}

fn int(value: i64) -> Value {
    Value::Integer(value)
}

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}
