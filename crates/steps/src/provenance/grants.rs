//! Least-privilege scripts, one for each login that Kaizen uses.

/// Which login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Makes and migrates the trail.
    SchemaOwner,
    /// Adds to the trail and reads it.
    Provenance,
    /// Reads a target.
    Observe,
    /// Changes a target.
    Deploy,
}

/// What the scripts are filled in with.
#[derive(Debug, Clone)]
pub struct Names {
    pub login: String,
    pub database: String,
    /// Major version of the server: 16 is SQL Server 2022.
    pub version: u32,
}

/// SQL Server 2022 has permissions for performance alone.
const FINER_PERMISSIONS: u32 = 16;

/// Stands where an administrator puts a password in.
const PASSWORD: &str = "<a password of your own>";

/// The script for one login.
#[must_use]
pub fn script(login: Login, names: &Names) -> String {
    let template = match login {
        Login::SchemaOwner => include_str!("../../../../sql/server/grants/schema_owner.sql"),
        Login::Provenance => include_str!("../../../../sql/server/grants/provenance.sql"),
        Login::Observe => include_str!("../../../../sql/server/grants/observe.sql"),
        Login::Deploy => include_str!("../../../../sql/server/grants/deploy.sql"),
    };
    let (server, database) = if names.version >= FINER_PERMISSIONS {
        ("VIEW SERVER PERFORMANCE STATE", "VIEW DATABASE PERFORMANCE STATE")
    } else {
        ("VIEW SERVER STATE", "VIEW DATABASE STATE")
    };
    let filled = [
        ("{{login}}", identifier(&names.login)),
        ("{{login_text}}", text(&names.login)),
        ("{{database}}", identifier(&names.database)),
        ("{{database_text}}", text(&names.database)),
        ("{{password}}", text(PASSWORD)),
        ("{{view_server}}", server.to_owned()),
        ("{{view_database}}", database.to_owned()),
    ];
    filled.iter().fold(template.to_owned(), |script, (name, value)| script.replace(name, value))
}

/// A name in brackets.
pub(crate) fn identifier(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// What stands between the quotes of a string literal.
fn text(value: &str) -> String {
    value.replace('\'', "''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_quotes() {
        let names =
            Names { login: "o'hara]".to_owned(), database: "k]; DROP".to_owned(), version: 15 };
        for login in [Login::SchemaOwner, Login::Provenance, Login::Observe, Login::Deploy] {
            let script = script(login, &names);
            assert!(!script.contains("{{"), "{script}");
            assert!(script.contains("[o'hara]]]") && script.contains("N'o''hara]'"), "{script}");
            assert!(!script.contains("k]; DROP") || script.contains("[k]]; DROP]"), "{script}");
            assert!(!script.contains("PERFORMANCE STATE"));
        }
    }
}
