//! `kaizen audit search`: what was tried before, as designers are told it.

use crate::{
    failure::{Failure, exit},
    output::Out,
    render::table::{Align, table},
};
use kaizen_engine::shell::Reader;
use kaizen_steps::{
    attempts::{self, Attempt},
    payload::ProvenanceRecord,
};

pub fn run(reader: &Reader, words: &str, limit: usize, out: Out) -> Result<u8, Failure> {
    let unreadable = |e: String| Failure::usage("history", e).next("kaizen audit verify");
    let mut history = Vec::new();
    for row in reader.history()? {
        let record: ProvenanceRecord = row
            .record
            .read()
            .map_err(|e| unreadable(format!("the history row of r{}: {e}", row.run)))?;
        history.push((row.run, record));
    }
    let found = attempts::search(&history, words, None, limit)
        .map_err(|e| unreadable(format!("the search did not work: {e}")))?;
    out.answer(&found, || people(&found));
    Ok(exit::DONE)
}

fn people(found: &[Attempt]) -> String {
    if found.is_empty() {
        return "no earlier attempt fits\n".to_owned();
    }
    let head = [
        ("run", Align::Left),
        ("outcome", Align::Left),
        ("better", Align::Right),
        ("kind", Align::Left),
        ("what", Align::Left),
    ];
    let row = |one: &Attempt| {
        vec![
            one.run.clone(),
            one.outcome.clone(),
            one.improvement_pct.map_or_else(|| "-".to_owned(), |pct| format!("{pct:+.1} %")),
            one.kind.clone().unwrap_or_default(),
            one.title.clone(),
        ]
    };
    table(&head, &found.iter().map(row).collect::<Vec<_>>())
}
