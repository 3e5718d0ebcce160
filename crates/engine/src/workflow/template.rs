//! The texts that `kaizen init` writes: annotated, valid as they stand, safe by default.

use super::definition::Definition;
use super::policy::Policy;

const WORKFLOW: &str = include_str!("templates/workflow.toml");
const SQLSERVER: &str = include_str!("templates/sqlserver.toml");
const POLICY: &str = include_str!("templates/kaizen.toml");

impl Definition {
    /// The text of an annotated definition for a SQLite database. `name` must be a slug;
    /// `database` and the glob patterns of `workload` are relative to the project's root.
    pub fn template(name: &str, database: &str, workload: &[String]) -> String {
        let workload: Vec<_> = workload.iter().map(|glob| quoted(glob)).collect();
        WORKFLOW
            .replace("{{name}}", &quoted(name))
            .replace("{{database}}", &quoted(database))
            .replace("{{workload}}", &format!("[{}]", workload.join(", ")))
    }
}

impl Definition {
    /// The same for a SQL Server database that the environment calls `target`; both names must be
    /// slugs.
    pub fn sqlserver_template(name: &str, target: &str, database: &str) -> String {
        SQLSERVER
            .replace("{{name}}", &quoted(name))
            .replace("{{target}}", &quoted(target))
            .replace("{{database}}", &quoted(database))
            .replace("{{variable}}", &variable(target))
    }
}

/// The environment variable of a SQL Server target's connection: `KAIZEN_TARGET_SHOP_EU`.
#[must_use]
pub fn variable(target: &str) -> String {
    format!("KAIZEN_TARGET_{}", target.to_uppercase().replace('-', "_"))
}

impl Policy {
    /// The text of an annotated `kaizen.toml` that says what the defaults are.
    pub fn template() -> &'static str {
        POLICY
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
