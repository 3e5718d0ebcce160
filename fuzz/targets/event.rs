//! Stored events: any text is refused or comes back the same, and no sequence of events, legal or
//! not, breaks the fold.
//!
//! Each line of the input is one stored event. What does not decode, or cannot happen in that
//! state, is left out: so that a mutated history still reaches the states behind the mutation.

#![no_main]

use kaizen_engine::{
    digest::Digest,
    journal::{Command, Event, Run, apply, chain, decide, due, replay},
};
use libfuzzer_sys::{Corpus, fuzz_target};

/// A journal's longest histories, in golden journals and tests, have some thirty events.
const MOST_EVENTS: usize = 64;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(bytes) else { return Corpus::Reject };
    let mut run: Option<Run> = None;
    let mut rows = Vec::new();
    for stored in text.lines().take(MOST_EVENTS) {
        let Ok(event) = Event::decode(stored) else { continue };
        comes_back(&event);
        let (seq, head) = run.as_ref().map_or((0, Digest::ZERO), |run| (run.seq, run.head));
        let hash = chain::event_hash(&head, stored.as_bytes());
        let Ok(next) = apply(run.clone(), &event, hash) else { continue };
        goes_on(&next, &event);
        rows.push(row(seq + 1, stored, hash));
        run = Some(next);
    }
    let replayed = replay::replay(&rows).expect("what was folded is replayed");
    assert_eq!(replayed, run);
    if let Some(middle) = rows.len().checked_sub(2) {
        rows.remove(middle);
        assert!(replay::replay(&rows).is_err(), "a gap was not seen");
    }
    Corpus::Keep
});

/// What was decoded is encoded, and decodes to itself.
fn comes_back(event: &Event) {
    let stored = event.encode().expect("what was decoded can be encoded");
    match Event::decode(&stored) {
        Ok(back) => assert_eq!(&back, event, "stored as {stored}"),
        Err(error) => panic!("{error}: stored as {stored}"),
    }
}

/// Whoever drives the run finds something to do, and what is decided folds.
fn goes_on(run: &Run, event: &Event) {
    let now = event.at;
    let _ = (due(run, now), run.name(), run.phase(), run.attempt(), run.standing_effects());
    let commands = [
        Command::AskApproval,
        Command::Expire,
        Command::Wake,
        Command::Unpause,
        Command::Resume { after_crash_of: None },
        Command::Cancel { reason: String::new() },
    ];
    for command in commands {
        let Ok(facts) = decide(run, command, now) else { continue };
        let fold = |run: Run, fact| {
            let event = Event { run: None, at: now, actor: String::new(), fact };
            apply(Some(run), &event, Digest::ZERO).expect("what was decided folds")
        };
        let _ = facts.into_iter().fold(run.clone(), fold);
    }
}

fn row(run_seq: u64, stored: &str, event_hash: Digest) -> replay::Row {
    let prev = run_seq.checked_sub(1).filter(|seq| *seq > 0);
    let event = stored.to_owned();
    let journal_hash = Digest::ZERO;
    replay::Row { seq: run_seq, run: 1, run_seq, prev, event, event_hash, journal_hash }
}
