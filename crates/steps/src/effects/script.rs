//! The up and down scripts, and what must be as before once everything has been taken back.

use super::{Doing, probed};
use crate::{
    phases::step,
    sql::objects,
    targets::sqlite::{
        database::Database,
        script::{self, Direction, Script},
    },
};
use kaizen_engine::{
    journal::Effect,
    step::{Probe, StepError},
};
use serde_json::{Value, json};

fn script(doing: &Doing, effect: Effect) -> Script {
    let (direction, statements) = match effect {
        Effect::Down => (Direction::Down, doing.change.statements_down.clone()),
        _ => (Direction::Up, doing.change.statements_up.clone()),
    };
    Script {
        statements,
        run: doing.cx.run.id.to_string(),
        effect: effect.word().to_owned(),
        direction,
        epoch: i64::try_from(doing.cx.epoch).unwrap_or(i64::MAX),
    }
}

pub fn plan(doing: &Doing, effect: Effect) -> Result<Value, StepError> {
    let schema = Database::open(&doing.project.database())
        .and_then(|database| database.schema_digest())
        .map_err(step)?;
    Ok(json!({
        "database": doing.project.database().display().to_string(),
        "script": script(doing, effect).digest(),
        "schema_before": schema,
    }))
}

pub fn probe(doing: &Doing, effect: Effect) -> Probe {
    let script = script(doing, effect);
    let found =
        script::probe(&doing.project.database(), &script.run, &script.effect, script.direction);
    probed(found, json!({ "script": script.digest() }))
}

pub fn apply(doing: &Doing, effect: Effect) -> Result<Value, StepError> {
    if effect == Effect::Down {
        refuse_losing_rows(doing)?;
    }
    let database = doing.project.database();
    let applied = script::apply(&database, &script(doing, effect)).map_err(|error| {
        let mut told = step(error);
        if !told.message.contains(&database.display().to_string()) {
            told.message = format!("{} was left as it was: {}", database.display(), told.message);
        }
        told
    })?;
    Ok(json!({ "script": applied.digest }))
}

/// Once the down script has run the schema must be what it was before the up script.
pub fn verify_rollback(doing: &Doing) -> Result<Value, StepError> {
    let Some((plan, _)) = doing.cx.done(Effect::Up) else {
        return Ok(json!({ "schema": "untouched" }));
    };
    let now = Database::open(&doing.project.database())
        .and_then(|database| database.schema_digest())
        .map_err(step)?;
    let before = plan["schema_before"].as_str().unwrap_or_default();
    let restored = before == now.to_string();
    // Others may have changed the schema after a change that was kept for a while; what the up
    // script made must be gone all the same.
    let reopened = doing.cx.run.revision > 1;
    let left = left_behind(doing)?;
    if !left.is_empty() {
        let message = format!("the rollback left what the change had made: {}", left.join(", "));
        let database = doing.project.database();
        let look = vec![format!("sqlite3 {} .schema   # then drop it by hand", database.display())];
        return Err(StepError::operator("left_behind", message).looking_at(look));
    }
    if !restored && !reopened {
        let message = format!(
            "the schema after the rollback ({}) is not the one before the change ({})",
            now.short(),
            before.get(..12).unwrap_or(before)
        );
        let database = doing.project.database();
        let look = vec![format!("sqlite3 {} .schema", database.display())];
        return Err(StepError::operator("schema_differs", message).looking_at(look));
    }
    Ok(json!({ "schema": if restored { "restored" } else { "changed since" }, "digest": now }))
}

/// Objects that the up script made and that are still there.
fn left_behind(doing: &Doing) -> Result<Vec<String>, StepError> {
    let schema = Database::open(&doing.project.database())
        .and_then(|database| database.schema())
        .map_err(step)?;
    let mut made = objects(&doing.change.statements_up).created;
    made.retain(|name| schema.iter().any(|object| object.name.eq_ignore_ascii_case(name)));
    Ok(made)
}

/// A table or column that the change made may hold rows by now that nobody else has.
fn refuse_losing_rows(doing: &Doing) -> Result<(), StepError> {
    let file = doing.project.database();
    let database = Database::open(&file).map_err(step)?;
    let schema = database.schema().map_err(step)?;
    let down = objects(&doing.change.statements_down);
    let columns = down.dropped_columns.into_iter().map(|(table, column)| (table, Some(column)));
    let tables = down.dropped_tables.into_iter().map(|table| (table, None));
    for (table, column) in tables.chain(columns) {
        if !schema.iter().any(|object| object.name.eq_ignore_ascii_case(&table)) {
            continue;
        }
        if database.holds_rows(&table, column.as_deref()).map_err(step)? {
            let what = column.map_or(table.clone(), |column| format!("{table}.{column}"));
            let message = format!("the down script would drop {what}, which holds rows by now");
            let name = doing.cx.run.name();
            let look = vec![
                format!(
                    "sqlite3 {} .dump   # save what is needed, empty {what}, then:",
                    file.display()
                ),
                format!("kaizen resume {name}"),
            ];
            return Err(StepError::operator("down_would_lose_rows", message).looking_at(look));
        }
    }
    Ok(())
}
