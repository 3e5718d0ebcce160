//! The files of the sample project: schema, workload, workflows, policy and a README.
//!
//! Only files: `git init` and the database are the caller's, and so is printing anything.

use super::Error;
use kaizen_engine::workflow::Policy;
use std::path::Path;

/// The schema of the sample database, which is also its first migration.
pub const SCHEMA: &str = include_str!("project/migrations/0001_tpch.up.sql");

/// Path in the project, and content. `kaizen.toml` is the template that every project gets.
const FILES: [(&str, &str); 20] = [
    ("README.md", include_str!("project/README.md")),
    (".gitignore", include_str!("project/gitignore")),
    ("migrations/0001_tpch.up.sql", SCHEMA),
    ("migrations/0001_tpch.down.sql", include_str!("project/migrations/0001_tpch.down.sql")),
    (
        "workflows/sqlite-index-tuning.toml",
        include_str!("../../../../workflows/sqlite-index-tuning.toml"),
    ),
    ("workflows/greedy-index.toml", include_str!("project/workflows/greedy-index.toml")),
    ("workload/finished_lines.sql", include_str!("project/workload/finished_lines.sql")),
    ("workload/order_lines.sql", include_str!("project/workload/order_lines.sql")),
    ("workload/customer_orders.sql", include_str!("project/workload/customer_orders.sql")),
    ("workload/supplier_parts.sql", include_str!("project/workload/supplier_parts.sql")),
    ("workload/segment_balances.sql", include_str!("project/workload/segment_balances.sql")),
    (
        "workload/small_quantity_revenue.sql",
        include_str!("project/workload/small_quantity_revenue.sql"),
    ),
    ("workload/sales_opportunity.sql", include_str!("project/workload/sales_opportunity.sql")),
    ("workload/pricing_summary.sql", include_str!("project/workload/pricing_summary.sql")),
    ("workload/monthly_revenue.sql", include_str!("project/workload/monthly_revenue.sql")),
    ("workload/late_shipments.sql", include_str!("project/workload/late_shipments.sql")),
    ("workload/order_priorities.sql", include_str!("project/workload/order_priorities.sql")),
    ("workload/discount_forecast.sql", include_str!("project/workload/discount_forecast.sql")),
    ("workload/returned_items.sql", include_str!("project/workload/returned_items.sql")),
    ("workload/nation_stock.sql", include_str!("project/workload/nation_stock.sql")),
];

/// Writes the sample project's files into `dir`, which must be absent or empty.
///
/// # Errors
/// [`Error::Exists`] where `dir` holds anything, [`Error::File`] where it cannot be written.
pub fn write_project(dir: &Path) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    if std::fs::read_dir(dir).map_err(failed(dir))?.next().is_some() {
        return Err(Error::Exists(dir.to_owned()));
    }
    for (name, content) in FILES.into_iter().chain([("kaizen.toml", Policy::template())]) {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        std::fs::write(&path, roomy(content)).map_err(failed(&path))?;
    }
    Ok(())
}

/// The sample's first indexes make writing about three times as dear, which is just where the usual
/// limit lies: whether one is kept would be a coin toss, and the demo shows something else.
fn roomy(content: &str) -> String {
    content.replace("max_write_cost_pct = 200 ", "max_write_cost_pct = 500 ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::demo::data::build_database;
    use kaizen_engine::workflow::{Definition, Target};
    use rusqlite::{Connection, StatementStatus};
    use std::collections::BTreeSet;

    const KNOWN_FAST: &str = "finished_lines";

    fn workload() -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.into_iter().filter(|(path, _)| path.starts_with("workload/"))
    }

    fn built(scale: f64) -> (tempfile::TempDir, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        build_database(&path, scale, &|_| ()).unwrap();
        let connection = Connection::open(path).unwrap();
        (dir, connection)
    }

    fn rows(connection: &Connection, sql: &str) -> (Vec<String>, i32) {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            Ok((0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect::<String>())
        };
        let rows = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
        (rows, statement.get_status(StatementStatus::VmStep))
    }

    #[test]
    fn the_project_is_written_whole_and_never_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("new/project");
        write_project(&project).unwrap();
        for (name, content) in FILES {
            assert_eq!(std::fs::read_to_string(project.join(name)).unwrap(), roomy(content));
        }
        assert!(matches!(write_project(&project), Err(Error::Exists(_))));
    }

    #[test]
    fn every_file_of_the_project_is_one_that_is_written() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/project");
        let written: BTreeSet<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        for directory in ["migrations", "workload", "workflows"] {
            for entry in std::fs::read_dir(here.join(directory)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let name = format!("{directory}/{name}");
                assert!(written.contains(&name), "{name} is not written");
            }
        }
    }

    #[test]
    fn the_workflows_are_valid_and_within_the_policy() {
        let policy = Policy::parse(Policy::template()).unwrap();
        let workflows = FILES.iter().filter(|(path, _)| path.starts_with("workflows/"));
        for (path, text) in workflows {
            let definition = Definition::parse(text).unwrap();
            policy.check(&definition).unwrap();
            assert_eq!(*path, format!("workflows/{}.toml", definition.name));
            let is_ours =
                |target| matches!(target, Target::Sqlite { database, .. } if database == "app.db");
            assert!(is_ours(definition.target));
        }
    }

    #[test]
    fn each_query_says_its_name_and_weight_and_orders_what_it_limits() {
        let mut weights = Vec::new();
        for (path, sql) in workload() {
            let name = sql.lines().next().and_then(|line| line.strip_prefix("-- name: ")).unwrap();
            assert_eq!(path, format!("workload/{name}.sql"));
            let weight = sql.lines().nth(1).and_then(|line| line.strip_prefix("-- weight: "));
            weights.push((weight.unwrap().parse::<u32>().unwrap(), name));
            assert!(!sql.contains("LIMIT") || sql.contains("ORDER BY"), "{name}");
        }
        assert!(weights.len() >= 12);
        assert_eq!(weights.iter().max().map(|(_, name)| *name), Some(KNOWN_FAST));
    }

    #[test]
    fn the_down_script_drops_what_the_up_script_creates() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection.execute_batch(include_str!("project/migrations/0001_tpch.down.sql")).unwrap();
        let left: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 0);
    }

    #[test]
    fn results_do_not_depend_on_how_sqlite_scans() {
        let (_dir, connection) = built(0.002);
        let run = || workload().map(|(_, sql)| rows(&connection, sql).0).collect::<Vec<_>>();
        let before = run();
        connection.execute_batch("PRAGMA reverse_unordered_selects = ON").unwrap();
        assert_eq!(run(), before);
        connection.execute_batch(include_str!("indexes_for_tests.sql")).unwrap();
        assert_eq!(run(), before);
    }

    #[test]
    fn two_indexes_help_much_and_a_plausible_one_harms() {
        let (_dir, connection) = built(crate::demo::SCALE);
        let steps = |name: &str| {
            let (_, sql) = workload().find(|(path, _)| path.contains(name)).unwrap();
            let (rows, steps) = rows(&connection, sql);
            assert!(!rows.is_empty() && !rows[0].contains("Null"), "{name} is empty");
            steps
        };
        let slow = [steps("small_quantity_revenue"), steps("sales_opportunity")];
        let fast = steps(KNOWN_FAST);
        connection.execute_batch(include_str!("indexes_for_tests.sql")).unwrap();
        assert!(steps("small_quantity_revenue") * 100 < slow[0]);
        assert!(steps("sales_opportunity") * 100 < slow[1]);
        assert!(steps(KNOWN_FAST) > fast * 50);
    }
}
