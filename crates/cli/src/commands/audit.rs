//! `kaizen audit`: prints the trail, verifies it, exports it.

use super::search;
use crate::{
    args::{Audit, AuditCommand},
    context::Place,
    failure::{Failure, exit},
    output::Out,
    render::style::{BAD, BOLD, DIM, GOOD, WARN, paint},
    trail,
};
use kaizen_engine::{
    journal::{Event, replay::Row},
    shell::{
        Error, Reader,
        verify::{self, Difference},
    },
};
use kaizen_steps::{
    adapters::mssql::Connector,
    audit::{Anchored, GitReport, anchors, verify_git},
    provenance::{self, read::HeldJournal, verify::TrailReport},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::{
        BTreeMap,
        btree_map::Entry::{Occupied, Vacant},
    },
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Rows read at a time.
const CHUNK: u32 = 1_000;

pub async fn run(args: Audit, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    let reader = place.reader()?;
    match args.what {
        None => print(&reader, args.run.as_deref(), out),
        Some(AuditCommand::Verify { run }) => verify(&place, &reader, run.as_deref(), out).await,
        Some(AuditCommand::Search { words, limit }) => {
            search::run(&reader, &words.join(" "), limit, out)
        }
        Some(AuditCommand::Export { run, to }) => export(&reader, run.as_deref(), &to, out).await,
    }
}

#[derive(Serialize)]
struct Entry {
    seq: u64,
    run_id: String,
    run_seq: u64,
    /// Null where retention took its body.
    at: Option<String>,
    actor: Option<String>,
    kind: &'static str,
    phase: Option<String>,
    body: Value,
    event_hash: String,
    journal_hash: String,
}

fn print(reader: &Reader, run: Option<&str>, out: Out) -> Result<u8, Failure> {
    let run = run.map(|name| reader.find(name)).transpose()?;
    let mut entries = Vec::new();
    let mut ids = BTreeMap::new();
    let mut after = 0;
    loop {
        let rows = reader.rows(run, after, CHUNK)?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        for row in &rows {
            let id = match ids.entry(row.run) {
                Occupied(known) => known.into_mut(),
                Vacant(new) => new.insert(reader.run_id(row.run)?),
            };
            entries.push((row.run, entry(row, id)?));
        }
    }
    let documents: Vec<_> = entries.iter().map(|(_, entry)| entry).collect();
    out.answer(&documents, || entries.iter().map(|(run, entry)| people(*run, entry)).collect());
    Ok(exit::DONE)
}

fn entry(row: &Row, id: &str) -> Result<Entry, Failure> {
    if row.is_pruned() {
        return Ok(Entry {
            seq: row.seq,
            run_id: id.to_owned(),
            run_seq: row.run_seq,
            at: None,
            actor: None,
            kind: "pruned",
            phase: None,
            body: Value::Null,
            event_hash: row.event_hash.to_string(),
            journal_hash: row.journal_hash.to_string(),
        });
    }
    let event = Event::decode(&row.event).map_err(Error::from)?;
    let stored: Value = serde_json::from_str(&row.event).map_err(Error::from)?;
    Ok(Entry {
        seq: row.seq,
        run_id: id.to_owned(),
        run_seq: row.run_seq,
        at: Some(event.at.to_string()),
        actor: Some(event.actor.clone()),
        kind: event.fact.kind(),
        phase: event.fact.phase().map(|phase| phase.to_string()),
        body: stored["body"].clone(),
        event_hash: row.event_hash.to_string(),
        journal_hash: row.journal_hash.to_string(),
    })
}

fn people(run: i64, entry: &Entry) -> String {
    let at = entry.at.as_deref().unwrap_or_default();
    let time = at.chars().take(23).collect::<String>().replace('T', " ");
    let subject = entry
        .phase
        .clone()
        .or_else(|| entry.body["effect"].as_str().map(str::to_owned))
        .unwrap_or_default();
    let hash = paint(DIM, &entry.event_hash[..12]);
    format!(
        "{:>5}  {time:<23}  {:<5} {:<19} {subject:<18} {hash}  {}\n",
        entry.seq,
        format!("r{run}"),
        entry.kind,
        entry.actor.as_deref().unwrap_or("-")
    )
}

/// What a store beside the journal had to say.
struct Told {
    state: &'static str,
    differences: Vec<Difference>,
    warnings: Vec<String>,
}

/// Compares with the trail in SQL Server; `None` where none is configured. The second: how far the
/// trail holds the journal.
async fn sqlserver(reader: &Reader, only: Option<i64>) -> Result<(Option<Told>, u64), Failure> {
    let Some(connector) = trail::connector()? else { return Ok((None, 0)) };
    Ok(match trail_report(&connector, reader, only).await {
        Ok(report) => {
            let state = if report.differences.is_empty() { "verified" } else { "differs" };
            let TrailReport { differences, warnings, anchored, .. } = report;
            (Some(Told { state, differences, warnings }), anchored)
        }
        // A store that was not asked has not said that all is well.
        Err(failure) => {
            let warnings = vec![format!("SQL Server was not compared: {}", failure.message)];
            (Some(Told { state: "unreachable", differences: Vec::new(), warnings }), 0)
        }
    })
}

async fn trail_report(
    connector: &Connector,
    reader: &Reader,
    only: Option<i64>,
) -> Result<TrailReport, Failure> {
    let mut session = trail::connect(connector).await?;
    let mut held = HeldJournal::new(&mut session, reader.journal_id()?);
    Ok(provenance::verify::verify(&mut held, reader, only).await?)
}

async fn verify(
    place: &Place,
    reader: &Reader,
    run: Option<&str>,
    out: Out,
) -> Result<u8, Failure> {
    let only = run.map(|name| reader.find(name)).transpose()?;
    let report = verify::verify(reader, only)?;
    let git = verify_git(&place.root, reader, only);
    let (git_state, git) = match git {
        Ok(git) => (if git.differences.is_empty() { "verified" } else { "differs" }, git),
        Err(error) => {
            ("unreadable", GitReport { warnings: vec![error.to_string()], ..GitReport::default() })
        }
    };
    let (told, held) = sqlserver(reader, only).await?;
    let sql_state = told.as_ref().map_or("not_configured", |told| told.state);
    let (sql_differences, sql_warnings) =
        told.map(|told| (told.differences, told.warnings)).unwrap_or_default();
    let anchors = anchors(reader, &git.anchored, held, only)?;
    let journal = if report.differences.is_empty() { "verified" } else { "differs" };
    let all = report.differences.iter().chain(&git.differences).chain(&sql_differences);
    let differences: Vec<&Difference> = all.collect();
    let warnings: Vec<&String> = git.warnings.iter().chain(&sql_warnings).collect();
    let compared = sql_state != "unreachable";
    let ok = differences.is_empty() && compared;
    let unanchored: u64 =
        anchors.iter().filter(|range| range.stores.is_empty()).map(|range| range.events).sum();
    let answer = json!({
        "ok": ok,
        "events": report.events,
        "stores": { "journal": journal, "git": git_state, "sqlserver": sql_state },
        "unanchored": unanchored,
        "anchors": anchors,
        "differences": differences,
        "warnings": warnings,
        "head": report.head,
        "artifacts": report.artifacts,
        "pruned": {
            "events": report.pruned.events,
            "runs": report.pruned.runs,
        },
        "commits": git.commits,
    });
    out.answer(&answer, || {
        let mut text = String::new();
        for difference in &differences {
            text += &format!(
                "{} {}: {} at {}: {}\n",
                paint(BAD, "differs:"),
                difference.store,
                difference.kind,
                difference.at,
                difference.detail
            );
        }
        for warning in &warnings {
            text += &format!("{} {warning}\n", paint(WARN, "warning:"));
        }
        let word = match (differences.is_empty(), compared) {
            (true, true) => paint(GOOD, "verified"),
            (true, false) => paint(BAD, "NOT wholly verified"),
            (false, _) => paint(BAD, "NOT verified"),
        };
        text += &format!(
            "{word}: {} events of {} runs, {} artifacts, {} commits\n",
            report.events, report.runs, report.artifacts, git.commits
        );
        if report.pruned.events > 0 {
            text += &format!(
                "  pruned     {} of them keep their hash alone: retention took the bodies in {}\n",
                report.pruned.events,
                report.pruned.runs
            );
        }
        text += &format!("  journal    {journal}\n  git        {git_state}\n");
        text += &format!("  sqlserver  {}\n", sql_state.replace('_', " "));
        text += &anchored(&anchors);
        text += &format!(
            "  {unanchored} of {} events are unanchored: no head that covers them is held outside this host\n",
            report.events
        );
        text += &format!("  head       {}\n", report.head);
        text
    });
    Ok(match (differences.is_empty(), compared) {
        (true, true) => exit::DONE,
        (true, false) => exit::FAILED,
        (false, _) => exit::DIFFERENCE,
    })
}

/// Ranges shown to people.
const RANGES: usize = 8;

fn anchored(ranges: &[Anchored]) -> String {
    let held = ranges.iter().filter(|range| !range.stores.is_empty());
    let mut text = String::new();
    for range in held.clone().take(RANGES) {
        let events = match range.events {
            1 => format!("event {}", range.from),
            _ => format!("events {} to {}", range.from, range.to),
        };
        text += &format!("  anchored   {events}: {}\n", range.stores.join(", "));
    }
    match held.count().saturating_sub(RANGES) {
        0 => text,
        more => text + &format!("  and {more} more ranges; --json lists them\n"),
    }
}

async fn export(reader: &Reader, run: Option<&str>, to: &Path, out: Out) -> Result<u8, Failure> {
    let only = run.map(|name| reader.find(name)).transpose()?;
    let at = |path: PathBuf| {
        move |e: std::io::Error| Failure::usage("io", format!("{}: {e}", path.display()))
    };
    let taken = fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        let message = format!("{} is not empty, and an export overwrites nothing", to.display());
        return Err(
            Failure::usage("not_empty", message).next("kaizen audit export --to NEW_DIRECTORY")
        );
    }
    // The trail's end first: what it holds by then the journal has, too. What either gets meanwhile
    // is not exported.
    let until = trail_end(reader).await;
    // Retention may take bodies and artifacts meanwhile.
    let _snapshot = reader.snapshot()?;
    let artifacts = to.join("artifacts");
    fs::create_dir_all(&artifacts).map_err(at(artifacts.clone()))?;
    let path = to.join("events.jsonl");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).map_err(at(path.clone()))?);
    let (mut events, mut after, mut head) = (0_u64, 0, String::new());
    let mut digests = std::collections::BTreeSet::new();
    loop {
        let rows = reader.rows(only, after, CHUNK)?;
        let Some(last) = rows.last() else { break };
        (after, head) = (last.seq, last.journal_hash.to_string());
        for row in &rows {
            events += 1;
            let line = json!({
                "seq": row.seq, "run": row.run, "run_seq": row.run_seq, "event": row.event,
                "event_hash": row.event_hash, "journal_hash": row.journal_hash,
            });
            writeln!(file, "{line}").map_err(at(path.clone()))?;
            let stored: Value = serde_json::from_str(&row.event).unwrap_or(Value::Null);
            mentioned(&stored, &mut digests);
        }
    }
    file.flush().map_err(at(path))?;
    let mut written = 0_u64;
    for text in digests {
        let Ok(digest) = text.parse() else { continue };
        // Not every digest in an event is of an artifact: change sets, schemas, bindings.
        if let Ok(bytes) = reader.artifact(&digest) {
            let path = artifacts.join(&text);
            fs::write(&path, bytes).map_err(at(path.clone()))?;
            written += 1;
        }
    }
    let held = export_trail(reader, only, until, to).await;
    let manifest = json!({
        "format": 1,
        "scope": if only.is_some() { "run" } else { "journal" },
        "events": events, "artifacts": written, "head": head,
        "sqlserver": held,
    });
    for (name, text) in [
        ("manifest.json", format!("{manifest:#}\n")),
        ("verify.py", include_str!("../verify.py").to_owned()),
    ] {
        fs::write(to.join(name), text).map_err(at(to.join(name)))?;
    }
    out.answer(&manifest, || {
        let to = to.display();
        let check = paint(BOLD, "Check them with a program that is not Kaizen:");
        let warning = held["error"].as_str().map(|error| {
            format!("{} without what SQL Server holds: {error}\n", paint(WARN, "warning:"))
        });
        format!(
            "{}{events} events and {written} artifacts written to {to}\n\n{check}\n  \
             python3 {to}/verify.py {to}\n",
            warning.unwrap_or_default()
        )
    });
    Ok(exit::DONE)
}

/// How far the trail holds the journal; `None` where none is configured.
async fn trail_end(reader: &Reader) -> Result<Option<(Connector, u64)>, Failure> {
    let Some(connector) = trail::connector()? else { return Ok(None) };
    let mut session = trail::connect(&connector).await?;
    let mut held = HeldJournal::new(&mut session, reader.journal_id()?);
    let end = held.end().await.map_err(trail::failure)?;
    Ok(Some((connector, end)))
}

/// Writes what SQL Server holds beside it; answers what the manifest says of that: null where none
/// is configured.
async fn export_trail(
    reader: &Reader,
    only: Option<i64>,
    until: Result<Option<(Connector, u64)>, Failure>,
    to: &Path,
) -> Value {
    let path = to.join("sqlserver.jsonl");
    let told = match until {
        Ok(None) => return Value::Null,
        Ok(Some((connector, until))) => write_trail(&connector, reader, only, until, &path).await,
        Err(failure) => Err(failure),
    };
    told.unwrap_or_else(|failure| {
        // The journal's own export is worth having without it.
        let _ = fs::remove_file(&path);
        json!({ "state": "unreachable", "events": 0, "error": failure.message })
    })
}

async fn write_trail(
    connector: &Connector,
    reader: &Reader,
    only: Option<i64>,
    until: u64,
    path: &Path,
) -> Result<Value, Failure> {
    let at = |e: std::io::Error| Failure::usage("io", format!("{}: {e}", path.display()));
    let mut session = trail::connect(connector).await?;
    let place = connector.place();
    let mut held = HeldJournal::new(&mut session, reader.journal_id()?);
    let trail = held.trail().await.map_err(trail::failure)?.unwrap_or_default();
    let acknowledged = reader.delivery(&trail)?.map_or(0, |delivery| delivery.seq);
    let mut file = std::io::BufWriter::new(fs::File::create(path).map_err(at)?);
    let (mut events, mut after) = (0_u64, 0);
    while after < until {
        let page = held.events(after).await.map_err(trail::failure)?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for event in page.iter().take_while(|event| event.seq <= until) {
            if only.is_some_and(|run| run != event.run) {
                continue;
            }
            let line = serde_json::to_string(event).map_err(Error::from)?;
            writeln!(file, "{line}").map_err(at)?;
            events += 1;
        }
    }
    file.flush().map_err(at)?;
    Ok(json!({
        "state": "exported", "events": events, "trail": trail, "place": place,
        "acknowledged": acknowledged, "error": null,
    }))
}

/// Every digest that an event mentions.
fn mentioned(value: &Value, into: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            into.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| mentioned(item, into)),
        Value::Object(fields) => fields.values().for_each(|field| mentioned(field, into)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
