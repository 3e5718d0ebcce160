//! What writing costs: the same rows deleted and inserted again, with the change and without it.
//!
//! In a transaction that is rolled back; a table whose constraints or triggers forbid it has its
//! rows updated to what they are. Reading is timed in `timing`.

use super::{Error, Lanes, Options};
use crate::payload::{Check, CheckResult, SizeEvidence};
use crate::targets::sqlite::analyze::median;
use crate::targets::sqlite::{measure, message, quote, stopwatch::Stopwatch};
use rand::{SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// The check of writing, made only where it could not be measured.
pub const WRITE_COST: &str = "write_cost";

/// Rows written per table.
const SAMPLE_ROWS: i64 = 1_000;
/// Timed pairs, after one to warm up.
const PAIRS: usize = 15;

/// How a table's rows are written, prepared for both copies.
struct Writer {
    /// Fills `temp.kaizen_sample`.
    sample: String,
    /// Tried in this order; each is timed as a whole.
    ways: [Vec<String>; 2],
}

/// Times writing to the touched tables and puts the medians into `size`. Answers with a check
/// where a table has rows but cannot be written to.
pub(super) fn measure(
    lanes: &mut Lanes,
    options: &Options,
    size: &mut SizeEvidence,
) -> Result<Option<Check>, Error> {
    for conn in [&lanes.before, &lanes.after] {
        measure::set_writable(conn, true)?;
        conn.execute_batch("PRAGMA foreign_keys = OFF")?;
    }
    let timed = times(lanes, options);
    for conn in [&lanes.before, &lanes.after] {
        conn.execute_batch("DROP TABLE IF EXISTS temp.kaizen_sample")?;
        measure::set_writable(conn, false)?;
    }
    let (sums, unwritable) = timed?;
    if let Some((before, after)) = sums {
        size.write_before_ms = Some(before);
        size.write_after_ms = Some(after);
    }
    Ok((!unwritable.is_empty()).then(|| Check {
        name: WRITE_COST.to_owned(),
        result: CheckResult::NotMeasurable,
        detail: unwritable.join("; "),
    }))
}

/// Milliseconds before and after, summed over tables; and what could not be written to, with why.
type Sums = (Option<(f64, f64)>, Vec<String>);

fn times(lanes: &Lanes, options: &Options) -> Result<Sums, Error> {
    let (mut sums, mut unwritable) = (None, Vec::new());
    let mut rng = SmallRng::seed_from_u64(options.seed);
    for table in &options.touched_tables {
        let (Some(before), Some(after)) =
            (writer(&lanes.before, table)?, writer(&lanes.after, table)?)
        else {
            continue;
        };
        match pairs(lanes, &before, &after, &mut rng, options.timeout) {
            Ok((b, a)) => {
                let (before_ms, after_ms) = sums.unwrap_or((0.0, 0.0));
                sums = Some((before_ms + b, after_ms + a));
            }
            Err(why) => unwritable.push(format!("{table}: {}", message(&why))),
        }
    }
    Ok((sums, unwritable))
}

/// Median milliseconds of writing one table, before and after.
fn pairs(
    lanes: &Lanes,
    before: &Writer,
    after: &Writer,
    rng: &mut SmallRng,
    timeout: Duration,
) -> rusqlite::Result<(f64, f64)> {
    lanes.before.execute_batch(&before.sample)?;
    lanes.after.execute_batch(&after.sample)?;
    let mut outcome = Err(rusqlite::Error::InvalidQuery);
    for way in 0..before.ways.len() {
        outcome = (|| {
            let sides = [(&lanes.before, &before.ways[way]), (&lanes.after, &after.ways[way])];
            let mut times = [Vec::new(), Vec::new()];
            let started = Instant::now();
            for pair in 0..=PAIRS {
                let mut order = [0, 1];
                order.shuffle(rng);
                for side in order {
                    let ms = once(sides[side].0, sides[side].1)?;
                    if pair > 0 {
                        times[side].push(ms);
                    }
                }
                if pair > 2 && started.elapsed() > timeout {
                    break;
                }
            }
            let [mut before, mut after] = times;
            Ok((median(&mut before), median(&mut after)))
        })();
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn once(conn: &Connection, way: &[String]) -> rusqlite::Result<f64> {
    conn.execute_batch("BEGIN")?;
    let watch = Stopwatch::start();
    let written = way.iter().try_for_each(|sql| conn.execute(sql, []).map(drop));
    let elapsed = watch.elapsed();
    if !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK")?;
    }
    written.map(|()| elapsed.as_secs_f64() * 1e3)
}

/// How to write to a table; `None` where it is no table of rows, or has none.
fn writer(conn: &Connection, table: &str) -> Result<Option<Writer>, Error> {
    let known = conn
        .prepare(include_str!("table_kind.sql"))?
        .query_row([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)));
    let Ok((name, without_rowid)) = known else { return Ok(None) };
    let mut statement = conn.prepare(include_str!("columns.sql"))?;
    let columns: Vec<(String, bool)> = statement
        .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let key = key(&columns, without_rowid);
    let table = format!("main.{}", quote(&name));
    let rows: i64 =
        conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    let step = (rows / SAMPLE_ROWS).max(1);
    Ok((rows > 0 && !key.is_empty()).then(|| statements(&table, &columns, &key, step)))
}

/// What names a row: the rowid, under the name that no column hides, or the primary key.
fn key(columns: &[(String, bool)], without_rowid: bool) -> Vec<String> {
    if without_rowid {
        return columns.iter().filter(|(_, key)| *key).map(|(name, _)| quote(name)).collect();
    }
    let hidden = |alias: &str| columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(alias));
    ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|alias| !hidden(alias))
        .map(|alias| vec![alias.to_owned()])
        .unwrap_or_default()
}

fn statements(table: &str, columns: &[(String, bool)], key: &[String], step: i64) -> Writer {
    let names: Vec<String> = columns.iter().map(|(name, _)| quote(name)).collect();
    let (all, keys) = (names.join(", "), key.join(", "));
    let keyed: Vec<String> =
        key.iter().enumerate().map(|(at, key)| format!("{key} AS kaizen_key_{at}")).collect();
    let kept: Vec<String> = (0..key.len()).map(|at| format!("kaizen_key_{at}")).collect();
    // Rows from all over the table, as an application writes them.
    let (keyed, kept) = (keyed.join(", "), kept.join(", "));
    let sample = format!(
        "DROP TABLE IF EXISTS temp.kaizen_sample;
         CREATE TEMP TABLE kaizen_sample AS SELECT {kept}, {all} FROM (
             SELECT {keyed}, {all}, row_number() OVER (ORDER BY {keys}) AS kaizen_row FROM {table}
         ) WHERE kaizen_row % {step} = 0 LIMIT {SAMPLE_ROWS}"
    );
    let those = format!("({keys}) IN (SELECT {kept} FROM temp.kaizen_sample)");
    let same: Vec<String> = names.iter().map(|name| format!("{name} = {name}")).collect();
    Writer {
        sample,
        ways: [
            vec![
                format!("DELETE FROM {table} WHERE {those}"),
                format!("INSERT INTO {table} ({all}) SELECT {all} FROM temp.kaizen_sample"),
            ],
            vec![format!("UPDATE {table} SET {} WHERE {those}", same.join(", "))],
        ],
    }
}
