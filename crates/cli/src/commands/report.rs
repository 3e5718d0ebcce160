//! `kaizen report`: how the loop fares by its trail, and how a target does by its own figures.

use super::feature;
use crate::{
    args::Report as Args,
    failure::{Failure, exit},
    output::Out,
    render::{
        style::{BOLD, WARN, paint},
        table::{Align, table},
    },
};
use kaizen_steps::features::{Source, reports};
use serde_json::{Map, Value, json};

pub async fn run(args: &Args, out: Out) -> Result<u8, Failure> {
    let mut session = feature::session(args.target.as_deref()).await?;
    let mut told = Vec::new();
    for report in reports() {
        let wanted = match report.source {
            Source::Trail => args.target.is_none(),
            Source::Database => args.target.is_some(),
        };
        if !wanted {
            continue;
        }
        // One that this server cannot tell does not keep the others from being told.
        let rows = session.table(report.sql).await.map_err(|error| error.to_string());
        let failed = rows.is_err();
        told.push((report, rows));
        if failed {
            session = feature::session(args.target.as_deref()).await?;
        }
    }
    let documents: Vec<Value> = told
        .iter()
        .map(|(report, rows)| match rows {
            Ok((columns, rows)) => json!({
                "name": report.name, "title": report.title, "error": null,
                "rows": rows.iter().map(|row| object(columns, row)).collect::<Vec<_>>(),
            }),
            Err(why) => {
                json!({ "name": report.name, "title": report.title, "error": why, "rows": [] })
            }
        })
        .collect();
    out.answer(&documents, || {
        let mut text = String::new();
        for (report, rows) in &told {
            text += &format!("{}\n", paint(BOLD, report.title));
            text += &match rows {
                Ok((_, rows)) if rows.is_empty() => "  nothing\n\n".to_owned(),
                Ok((columns, rows)) => {
                    let head: Vec<_> =
                        columns.iter().map(|name| (name.as_str(), Align::Left)).collect();
                    table(&head, rows) + "\n"
                }
                Err(why) => format!("  {} {why}\n\n", paint(WARN, "cannot be told:")),
            };
        }
        text
    });
    Ok(exit::DONE)
}

fn object(columns: &[String], row: &[String]) -> Map<String, Value> {
    columns.iter().zip(row).map(|(name, value)| (name.clone(), json!(value))).collect()
}
