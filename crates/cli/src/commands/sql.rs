//! `kaizen sql`: the trail's schema in SQL Server, and who may do what there.

use super::feature;
use crate::{
    args::{LoginKind, Sql, SqlCommand},
    context::Place,
    failure::{Failure, exit},
    output::Out,
    render::style::{BAD, BOLD, GOOD, WARN, paint},
    trail,
};
use kaizen_engine::workflow::{self, Target};
use kaizen_steps::{
    adapters::mssql::Connector,
    project::Project,
    provenance::{
        check::{self, Tried, Verdict},
        drift,
        grants::{Login, Names, script},
        schema::{self, Step},
    },
    targets::sqlserver::observe,
};
use serde_json::json;
use std::{collections::BTreeMap, path::Path};

pub async fn run(args: &Sql, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    match &args.what {
        SqlCommand::Plan(args) => match &args.feature {
            Some(feature) => feature::plan(feature, args, out).await,
            None => plan(out).await,
        },
        SqlCommand::Apply { featured, accept_permanent } => match &featured.feature {
            Some(feature) => feature::apply(feature, featured, *accept_permanent, out).await,
            None => apply(out).await,
        },
        SqlCommand::Disable(args) => match &args.feature {
            Some(feature) => feature::disable(feature, args, out).await,
            None => Err(Failure::usage("no_feature", "which feature is to be switched off?")
                .next("kaizen sql disable --feature NAME")),
        },
        SqlCommand::Status(args) => match &args.feature {
            Some(feature) => feature::status(feature, args, out).await,
            None => status(out).await,
        },
        SqlCommand::Check => check(dir, out).await,
        SqlCommand::Export { database, server_version } => {
            let text = observe::script(database, *server_version);
            out.answer(&json!({ "database": database, "script": text }), || text.clone());
            Ok(exit::DONE)
        }
        SqlCommand::Grants { login, kind, database, server_version } => {
            let names = Names {
                login: login.clone().unwrap_or_else(|| kind.default_login().to_owned()),
                database: database.clone(),
                version: *server_version,
            };
            let text = script(kind.login(), &names);
            out.answer(&json!({ "login": names.login, "script": text }), || text.clone());
            Ok(exit::DONE)
        }
    }
}

async fn plan(out: Out) -> Result<u8, Failure> {
    let connector = trail::needed()?;
    let mut session = trail::connect(&connector).await?;
    let place = connector.place();
    let steps = schema::steps(&mut session).await?;
    let waiting: Vec<&Step> = steps.iter().filter(|step| !step.applied).collect();
    let answer = json!({
        "place": place,
        "steps": waiting.iter().map(|step| json!({
            "name": step.name, "reversible": step.reversible, "sql": step.sql,
        })).collect::<Vec<_>>(),
    });
    out.answer(&answer, || {
        if waiting.is_empty() {
            return format!("-- {place}: nothing to do, every step was applied\n");
        }
        let mut text =
            format!("-- {place}: kaizen sql apply would run this, each step a transaction\n");
        for step in &waiting {
            let label = if step.reversible { "reversible" } else { "PERMANENT" };
            text += &format!("\n-- {} ({label})\n{}\nGO\n", step.name, step.sql.trim_end());
        }
        text
    });
    Ok(exit::DONE)
}

async fn apply(out: Out) -> Result<u8, Failure> {
    let connector = trail::needed()?;
    let mut session = trail::connect(&connector).await?;
    let place = connector.place();
    let applied = schema::apply(&mut session).await?;
    out.answer(&json!({ "place": place, "applied": applied }), || {
        if applied.is_empty() {
            return format!("{place}: nothing to do, every step was applied\n");
        }
        let mut text: String =
            applied.iter().map(|name| format!("{} {name}\n", paint(GOOD, "applied"))).collect();
        text += "\nNext:\n  kaizen sql grants provenance   # what its login needs, and no more\n";
        text
    });
    Ok(exit::DONE)
}

async fn status(out: Out) -> Result<u8, Failure> {
    let connector = trail::needed()?;
    let mut session = trail::connect(&connector).await?;
    let place = connector.place();
    let steps = schema::steps(&mut session).await?;
    let is_there = steps.iter().any(|step| step.applied);
    let drifted = if is_there {
        let there: Vec<Step> = steps.iter().filter(|step| step.applied).cloned().collect();
        drift::drift(&mut session, &there).await.map_err(trail::failure)?
    } else {
        Vec::new()
    };
    let waiting = steps.iter().filter(|step| !step.applied).count();
    let answer = json!({
        "place": place,
        "steps": steps.iter().map(|step| json!({
            "name": step.name, "applied": step.applied, "reversible": step.reversible,
        })).collect::<Vec<_>>(),
        "drift": drifted,
    });
    out.answer(&answer, || {
        let mut text = format!("{place}\n");
        for step in &steps {
            let word = if step.applied { paint(GOOD, "applied") } else { paint(WARN, "missing") };
            text += &format!("  {word}  {}\n", step.name);
        }
        for difference in &drifted {
            text += &format!("  {} {difference}\n", paint(BAD, "drifted:"));
        }
        if waiting > 0 {
            text += "\nNext:\n  kaizen sql plan   # then: kaizen sql apply\n";
        }
        text
    });
    Ok(if drifted.is_empty() { exit::DONE } else { exit::DIFFERENCE })
}

/// Targets of this project whose connection is known: their logins must not reach the trail.
fn targets(dir: Option<&Path>) -> Result<Vec<(String, Connector)>, Failure> {
    let Ok(place) = Place::find(dir) else { return Ok(Vec::new()) };
    let files = std::fs::read_dir(place.root.join("workflows")).into_iter().flatten().flatten();
    let mut found = BTreeMap::new();
    for path in files.map(|entry| entry.path()) {
        // One that cannot be read is the doctor's to name.
        let Ok(project) = Project::open(&place.root, &path) else { continue };
        let Target::Sqlserver { name, .. } = &project.definition.target else { continue };
        for (suffix, login) in [("", "observe"), ("_DEPLOY", "deploy")] {
            let variable = format!("{}{suffix}", workflow::variable(name));
            if let Some(connector) = Connector::from_env(&variable).map_err(trail::failure)? {
                found.insert(format!("{name} ({login})"), connector);
            }
        }
    }
    Ok(found.into_iter().collect())
}

async fn check(dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let connector = trail::needed()?;
    let mut session = trail::connect(&connector).await?;
    let place = connector.place();
    let mut tried = check::check(&mut session).await.map_err(trail::failure)?;
    for (name, connector) in targets(dir)? {
        let mut target = trail::connect(&connector).await?;
        let reach = check::reach(&mut session, &mut target, &name).await;
        tried.push(reach.map_err(trail::failure)?);
    }
    // What could not be told is not proven.
    let wrong = tried.iter().filter(|tried| tried.result != Verdict::AsItMustBe).count();
    out.answer(&json!({ "place": place, "ok": wrong == 0, "tried": tried }), || {
        let mut text = format!("{place}: what this login may do, tried and rolled back\n");
        text += &tried.iter().map(line).collect::<String>();
        text += &match wrong {
            0 => format!("{}: it can add to the trail and read it, and change nothing\n", paint(GOOD, "proven")),
            _ => format!(
                "{}: {wrong} of {} are not as they must be\n\n{}\n  kaizen sql grants provenance   # a \
                 login with just what it needs\n",
                paint(BAD, "NOT proven"),
                tried.len(),
                paint(BOLD, "Next:"),
            ),
        };
        text
    });
    Ok(if wrong == 0 { exit::DONE } else { exit::FAILED })
}

fn line(tried: &Tried) -> String {
    let mark = match tried.result {
        Verdict::AsItMustBe => paint(GOOD, "ok     "),
        Verdict::Unclear => paint(WARN, "unclear"),
        Verdict::Wrong => paint(BAD, "wrong  "),
    };
    let mut text = format!("  {mark} {:<30} {}\n", tried.what, tried.detail);
    if let Some(disables) = tried.disables {
        text += &format!("          without it: no {disables}\n");
    }
    if let Some(mend) = tried.mend {
        text += &format!("          mend: {mend}\n");
    }
    text
}

impl LoginKind {
    const fn login(self) -> Login {
        match self {
            LoginKind::SchemaOwner => Login::SchemaOwner,
            LoginKind::Provenance => Login::Provenance,
            LoginKind::Observe => Login::Observe,
            LoginKind::Deploy => Login::Deploy,
        }
    }

    const fn default_login(self) -> &'static str {
        match self {
            LoginKind::SchemaOwner => "kaizen_owner",
            LoginKind::Provenance => "kaizen_provenance",
            LoginKind::Observe => "kaizen_observe",
            LoginKind::Deploy => "kaizen_deploy",
        }
    }
}
