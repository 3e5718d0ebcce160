//! What is overdue, said before anything else: deployed and not yet judged, approvals that are
//! about to expire, runs that nobody drives.

use crate::{
    context::Place,
    output::Out,
    render::style::{WARN, paint},
};
use kaizen_engine::{
    journal::{Live, Phase, Run, Status},
    shell::{Clock, SystemClock},
};
use std::time::Duration;

/// Most runs looked at: each of them is folded.
const CANDIDATES: u32 = 64;

/// Most notices at a time.
const MOST: u32 = 8;

const SOON: Duration = Duration::from_secs(24 * 3_600);

/// Says on stderr what is overdue. Never fails: it is no part of the command.
pub fn overdue(place: &Place, out: Out) {
    overdue_but(place, None, out);
}

/// The same without the run that the command is about.
pub fn overdue_but(place: &Place, this: Option<i64>, out: Out) {
    if out.json || !place.journal.exists() {
        return;
    }
    let Ok(reader) = place.reader() else { return };
    let soon = SystemClock.now().plus(SOON);
    let numbers = reader.attention(soon, CANDIDATES).unwrap_or_default();
    let mut said = 0;
    for number in numbers {
        if this == Some(number) {
            continue;
        }
        if said == MOST {
            anstream::eprintln!("{} and more: kaizen runs --limit 0", paint(WARN, "overdue:"));
            break;
        }
        let Ok(run) = reader.run(number) else { continue };
        let driven = reader.driver(number).ok().flatten().is_some();
        if let (Some(text), false) = (notice(&run), driven) {
            anstream::eprintln!("{} {} {text}", paint(WARN, "overdue:"), run.name());
            said += 1;
        }
    }
}

fn notice(run: &Run) -> Option<String> {
    let name = run.name();
    let now = SystemClock.now();
    match &run.status {
        Status::Live(Live::WaitingApproval { gate, .. }) => (gate.expires_at.since(now) < SOON)
            .then(|| format!("waits for approval until {} only", gate.expires_at)),
        Status::Live(Live::RollingBack { .. }) => {
            Some(format!("is rolling back and nobody drives it: kaizen resume {name}"))
        }
        Status::Live(Live::Running { phase, .. })
            if *phase >= Phase::Deploy && run.has_effects() =>
        {
            Some(format!("is deployed and not yet judged: kaizen resume {name}"))
        }
        Status::NeedsOperator { .. } => Some(format!("needs an operator: kaizen show {name}")),
        Status::Sleeping { until, .. } if *until < now => {
            Some(format!("should have been woken: kaizen resume {name}"))
        }
        _ => None,
    }
}
