//! The statements that see a database, and the script of them for whoever may not let Kaizen in.

use super::version;
use crate::adapters::mssql::{Error, Session};

/// Each in its own file, in this order. What is tagged `/* kaizen */` is left out of an analysis.
const STATEMENTS: [&str; 11] = [
    include_str!("../../../../../sql/server/observe/server.sql"),
    include_str!("../../../../../sql/server/observe/query_store.sql"),
    include_str!("../../../../../sql/server/observe/runtime.sql"),
    include_str!("../../../../../sql/server/observe/query.sql"),
    include_str!("../../../../../sql/server/observe/plan.sql"),
    include_str!("../../../../../sql/server/observe/wait.sql"),
    include_str!("../../../../../sql/server/observe/missing_index.sql"),
    include_str!("../../../../../sql/server/observe/index.sql"),
    include_str!("../../../../../sql/server/observe/tuning.sql"),
    include_str!("../../../../../sql/server/observe/failed_test.sql"),
    include_str!("../../../../../sql/server/observe/cost.sql"),
];

/// Everything that can be seen, as lines.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn lines(session: &mut Session) -> Result<String, Error> {
    let major = version::major(session).await?;
    let mut text = String::new();
    for statement in STATEMENTS {
        let sql = filled(statement, major);
        let found = session
            .rows(&sql, &[], |row| Ok(row.try_get::<&str, _>("line")?.map(str::to_owned)))
            .await?;
        for line in found.into_iter().flatten() {
            text += &line;
            text.push('\n');
        }
    }
    Ok(text)
}

/// The script that writes the same lines: `sqlcmd -i export.sql -o export.jsonl -y 0`.
#[must_use]
pub fn script(database: &str, major: u32) -> String {
    let mut script = format!(
        "-- What Kaizen looks at, for a server that it may not connect to. It changes nothing.\n\
         -- sqlcmd -S SERVER -i export.sql -o export.jsonl -y 0 -f o:65001\n\
         -- Then: kaizen analyze --from-export export.jsonl\n\
         USE {};\nGO\nSET NOCOUNT ON;\nGO\n",
        crate::provenance::grants::identifier(database)
    );
    for statement in STATEMENTS {
        script += filled(statement, major).trim_end();
        script += ";\nGO\n";
    }
    script
}

fn filled(statement: &str, major: u32) -> String {
    let replica =
        if major >= version::REPLICAS { "r.replica_group_id" } else { "CAST(1 AS bigint)" };
    statement.replace("{{replica}}", replica)
}
