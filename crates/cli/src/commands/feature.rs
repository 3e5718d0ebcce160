//! The optional features of `kaizen sql`: planned, switched on and off, and told of, on a target or in
//! the trail's database.

use crate::{
    args::Featured,
    failure::{Failure, exit},
    output::Out,
    render::{
        style::{BAD, GOOD, WARN, paint},
        table::{Align, table},
    },
    trail,
};
use kaizen_engine::workflow;
use kaizen_steps::{
    adapters::mssql::{Connector, Session},
    features::{self, Feature, Parameters, Script},
};
use serde_json::json;

/// The connection that a command is about: a target's, or the trail's.
pub async fn session(target: Option<&str>) -> Result<Session, Failure> {
    let connector = match target {
        None => trail::needed()?,
        Some(name) => {
            let variable = workflow::variable(name);
            Connector::from_env(&variable).map_err(trail::failure)?.ok_or_else(|| {
                let message = format!("{variable} is not set: it says how {name} is reached");
                Failure::usage("sqlserver_not_configured", message).next(format!(
                    "export {variable}='Server=tcp:HOST,1433;Database=DB;User Id=LOGIN;Password=…'"
                ))
            })?
        }
    };
    trail::connect(&connector).await
}

fn parameters(args: &Featured) -> Result<Parameters, Failure> {
    args.set.iter().try_fold(Parameters::default(), |parameters, pair| {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            let message = format!("{pair:?} is no parameter: write --set name=value");
            Failure::usage("feature_parameter", message).next("kaizen sql plan --help")
        })?;
        Ok(parameters.with(name.trim(), value.trim()))
    })
}

/// What can be set, where the plan is asked for.
fn settable(feature: Feature) -> String {
    let lines = feature.parameters().iter().map(|parameter| {
        let default = parameter.default.map(|value| format!(" [{value}]")).unwrap_or_default();
        format!("--   --set {}=…   {}{default}\n", parameter.name, parameter.what)
    });
    lines.collect()
}

pub async fn plan(feature: &str, args: &Featured, out: Out) -> Result<u8, Failure> {
    let feature = Feature::parse(feature)?;
    let scripts = features::plan(feature, &parameters(args)?)?;
    let mut session = session(args.target.as_deref()).await?;
    let support = features::detect(&mut session, feature).await.map_err(trail::failure)?;
    let place = session.place().to_owned();
    let step = |script: &Script| {
        json!({
            "name": script.name, "sql": script.sql, "permanent": script.permanent, "undo": script.undo,
        })
    };
    let answer = json!({
        "place": place, "feature": feature.name(), "supported": support.supported, "why": support.why,
        "steps": scripts.iter().map(step).collect::<Vec<_>>(),
    });
    out.answer(&answer, || {
        let can = if support.supported { "supported" } else { "NOT supported" };
        let mut text = format!("-- {place}: {} is {can} here: {}\n", feature.name(), support.why);
        text += &settable(feature);
        for script in &scripts {
            let label = match (&script.permanent, &script.undo) {
                (Some(why), _) => format!("PERMANENT: {why}"),
                (None, Some(how)) => format!("reversible: {how}"),
                (None, None) => "reversible".to_owned(),
            };
            let only =
                script.only_where.map(|only| format!(", only where {only}")).unwrap_or_default();
            text +=
                &format!("\n-- {} ({label}{only})\n{}\nGO\n", script.name, script.sql.trim_end());
        }
        text
    });
    Ok(exit::DONE)
}

pub async fn apply(
    feature: &str,
    args: &Featured,
    accept_permanent: bool,
    out: Out,
) -> Result<u8, Failure> {
    let feature = Feature::parse(feature)?;
    let parameters = parameters(args)?;
    let mut session = session(args.target.as_deref()).await?;
    let done = features::enable(&mut session, feature, &parameters, accept_permanent).await?;
    let answer = json!({ "place": session.place(), "feature": feature.name(), "applied": done });
    out.answer(&answer, || {
        done.iter().map(|name| format!("{} {name}\n", paint(GOOD, "applied"))).collect()
    });
    Ok(exit::DONE)
}

pub async fn disable(feature: &str, args: &Featured, out: Out) -> Result<u8, Failure> {
    let feature = Feature::parse(feature)?;
    let parameters = parameters(args)?;
    let mut session = session(args.target.as_deref()).await?;
    features::disable(&mut session, feature, &parameters).await?;
    let answer = json!({ "place": session.place(), "feature": feature.name() });
    out.answer(&answer, || format!("{} {}\n", paint(GOOD, "switched off"), feature.name()));
    Ok(exit::DONE)
}

pub async fn status(feature: &str, args: &Featured, out: Out) -> Result<u8, Failure> {
    let feature = Feature::parse(feature)?;
    let parameters = parameters(args)?;
    let mut session = session(args.target.as_deref()).await?;
    let support = features::detect(&mut session, feature).await.map_err(trail::failure)?;
    let items = features::status(&mut session, feature, &parameters).await?;
    let answer = json!({
        "place": session.place(), "feature": feature.name(), "supported": support.supported,
        "why": support.why, "items": items,
    });
    out.answer(&answer, || {
        let (style, can) =
            if support.supported { (GOOD, "supported") } else { (BAD, "not supported") };
        let mut text = format!("{}  {}: {}\n", session.place(), paint(style, can), support.why);
        let rows: Vec<Vec<String>> = items
            .iter()
            .map(|item| vec![item.item.clone(), item.state.clone(), item.detail.clone()])
            .collect();
        if rows.is_empty() {
            return text + &format!("  {}\n", paint(WARN, "nothing of it is there"));
        }
        let head = [("item", Align::Left), ("state", Align::Left), ("detail", Align::Left)];
        text += &table(&head, &rows);
        text
    });
    Ok(exit::DONE)
}
