//! What was seen of a SQL Server: what takes the time, what got slower, what the server says itself.

use super::{
    evidence::ms,
    style::{BAD, BOLD, WARN, paint},
    table::{Align, table},
};
use kaizen_steps::payload::{Analysis, server::ServerAnalysis};

/// Characters of a query's text in a line.
const SHAPE: usize = 60;

/// Share of Query Store's room from which it is worth a word: it stops collecting when that is full.
const NEARLY_FULL: f64 = 0.8;

pub fn analysis(analysis: &Analysis) -> String {
    let Some(server) = &analysis.server else { return String::new() };
    let mut text = format!(
        "\n{} {} {}, compatibility {}{}\n",
        paint(BOLD, "seen:"),
        analysis.target,
        server.version,
        server.compatibility_level,
        if server.exported { ", from an exported file" } else { "" }
    );
    let store = &server.query_store;
    if store.size_mb >= NEARLY_FULL * store.max_mb {
        text += &format!(
            "  {} Query Store holds {:.0} of {:.0} MB\n",
            paint(WARN, "nearly full:"),
            store.size_mb,
            store.max_mb
        );
    }
    if let Some(share) = server.captured_cpu_pct {
        text += &format!("  the captured queries used {share:.0} % of the server's CPU\n");
    }
    text += "\n";
    text += &queries(server);
    text += &told(server);
    for absent in &analysis.absent {
        text += &format!("  not seen: {}: {}\n", absent.source, absent.reason);
    }
    text
}

fn queries(server: &ServerAnalysis) -> String {
    let head = [
        ("query", Align::Left),
        ("executions", Align::Right),
        ("ms each", Align::Right),
        ("total s", Align::Right),
        ("CPU ms", Align::Right),
        ("pages", Align::Right),
        ("plans", Align::Right),
        ("text", Align::Left),
    ];
    let rows: Vec<Vec<String>> = server
        .queries
        .iter()
        .map(|query| {
            let text = query.object.as_ref().unwrap_or(&query.shape);
            let short: String = text.chars().take(SHAPE).collect();
            vec![
                query.hash.clone(),
                format!("{:.0}", query.executions),
                ms(query.mean_ms),
                format!("{:.1}", query.total_ms / 1_000.0),
                ms(query.cpu_ms),
                format!("{:.0}", query.reads),
                query.plans.to_string(),
                if text.chars().count() > SHAPE { format!("{short}…") } else { short },
            ]
        })
        .collect();
    table(&head, &rows)
}

fn told(server: &ServerAnalysis) -> String {
    let mut text = String::new();
    for one in &server.regressions {
        text += &format!(
            "  {} {}: {} -> {} ms, {:.0} s in the last day (q = {:.3})\n",
            paint(BAD, "slower:"),
            one.hash,
            ms(one.before_ms),
            ms(one.now_ms),
            one.lost_s,
            one.q
        );
    }
    for one in &server.plan_changes {
        text += &format!("  another plan: {}: {} -> {}\n", one.hash, one.before, one.now);
    }
    for one in &server.forcing_failures {
        let reason = one.reason.as_deref().unwrap_or("no reason given");
        let what = paint(WARN, "a plan could not be forced:");
        text += &format!("  {what} {} {}: {reason}, {} times\n", one.hash, one.plan, one.failures);
    }
    for query in server.queries.iter().filter(|query| query.aborted + query.failed > 0.0) {
        text += &format!(
            "  {} {}: {:.0} given up by the client, {:.0} ended by an error\n",
            paint(WARN, "not finished:"),
            query.hash,
            query.aborted,
            query.failed
        );
    }
    for one in &server.recommendations {
        let reason = one.reason.as_deref().unwrap_or_default();
        text += &format!("  the server recommends {}: {reason}\n", one.kind);
    }
    for (test, failures) in &server.failed_tests {
        text += &format!("  failed test: {test}, {failures} times in 7 days\n");
    }
    for (ledger, operation, cost) in &server.costs {
        text += &format!("  cost ({ledger}): {operation}, {cost:.2} in 7 days\n");
    }
    text
}
