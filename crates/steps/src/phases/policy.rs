//! A change of what governs the loop is an event with its diff: `kaizen.toml`, and the workflow's
//! definition, each against the last run that had it.

use kaizen_engine::{
    digest::Digest,
    journal::Run,
    shell::{Reader, reader::Filter},
    step::{Context, StepError},
};
use serde_json::json;

/// How many earlier runs are looked through for the last one of the same workflow.
const LOOK_BACK: u32 = 50;

/// Notes in the trail what has changed since the last run.
pub fn note_changes(cx: &Context, reader: &Reader) -> Result<(), StepError> {
    let now = &cx.run.created;
    let mut earlier = reader.list(&Filter { limit: LOOK_BACK, ..Filter::default() })?;
    earlier.retain(|number| *number < now.number);
    // One that cannot be read is the audit's to name: it must not hold up those after it.
    let mut earlier = earlier.into_iter().filter_map(|number| reader.run(number).ok()).peekable();
    if let Some(last) = earlier.peek() {
        note(cx, reader, "policy_changed", last, (last.created.policy, now.policy))?;
    }
    for last in earlier {
        if last.created.workflow == now.workflow {
            let digests = (last.created.definition, now.definition);
            return note(cx, reader, "workflow_changed", &last, digests);
        }
    }
    Ok(())
}

fn note(
    cx: &Context,
    reader: &Reader,
    topic: &str,
    since: &Run,
    (before, after): (Digest, Digest),
) -> Result<(), StepError> {
    if before == after {
        return Ok(());
    }
    let text =
        |digest| reader.artifact(digest).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (old, new) = (text(&before)?, text(&after)?);
    let diff = similar::TextDiff::from_lines(&old, &new);
    let diff = diff.unified_diff().header("before", "after").to_string();
    cx.note(
        topic,
        json!({ "since": since.name(), "before": before, "after": after, "diff": diff }),
    );
    Ok(())
}
