//! `kaizen audit`: prints the trail, verifies it, exports it.

use crate::{
    args::{Audit, AuditCommand},
    context::Place,
    failure::{Failure, exit},
    output::Out,
    render::style::{BAD, BOLD, DIM, GOOD, WARN, paint},
};
use kaizen_engine::{
    journal::{Event, replay::Row},
    shell::{
        Error, Reader,
        verify::{self, Difference},
    },
};
use kaizen_steps::audit::{GitReport, verify_git};
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

pub fn run(args: Audit, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    let reader = place.reader()?;
    match args.what {
        None => print(&reader, args.run.as_deref(), out),
        Some(AuditCommand::Verify { run }) => verify(&place, &reader, run.as_deref(), out),
        Some(AuditCommand::Export { run, to }) => export(&reader, run.as_deref(), &to, out),
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

fn verify(place: &Place, reader: &Reader, run: Option<&str>, out: Out) -> Result<u8, Failure> {
    let only = run.map(|name| reader.find(name)).transpose()?;
    let report = verify::verify(reader, only)?;
    let git = verify_git(&place.root, reader, only);
    let (git_state, git) = match git {
        Ok(git) => (if git.differences.is_empty() { "verified" } else { "differs" }, git),
        Err(error) => {
            ("unreadable", GitReport { warnings: vec![error.to_string()], ..GitReport::default() })
        }
    };
    let journal = if report.differences.is_empty() { "verified" } else { "differs" };
    let differences: Vec<&Difference> = report.differences.iter().chain(&git.differences).collect();
    let ok = differences.is_empty();
    let unanchored = report.events.saturating_sub(git.anchored);
    let answer = json!({
        "ok": ok,
        "events": report.events,
        "stores": { "journal": journal, "git": git_state, "sqlserver": "not_configured" },
        "unanchored": unanchored,
        "differences": differences,
        "warnings": git.warnings,
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
        for warning in &git.warnings {
            text += &format!("{} {warning}\n", paint(WARN, "warning:"));
        }
        let word = if ok { paint(GOOD, "verified") } else { paint(BAD, "NOT verified") };
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
        text += "  sqlserver  not configured\n";
        text += &format!(
            "  {unanchored} of {} events are unanchored: no head that covers them is held outside this host\n",
            report.events
        );
        text += &format!("  head       {}\n", report.head);
        text
    });
    Ok(if ok { exit::DONE } else { exit::DIFFERENCE })
}

fn export(reader: &Reader, run: Option<&str>, to: &Path, out: Out) -> Result<u8, Failure> {
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
    let manifest = json!({
        "format": 1,
        "scope": if only.is_some() { "run" } else { "journal" },
        "events": events, "artifacts": written, "head": head,
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
        format!(
            "{events} events and {written} artifacts written to {to}\n\n{check}\n  \
             python3 {to}/verify.py {to}\n"
        )
    });
    Ok(exit::DONE)
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
