//! Who may do what. `sa` may everything, and so may everyone that no CREATE USER and no
//! [`restrict`](crate::StandIn::restrict) has named; those may what GRANT gave them. Temporary tables
//! are everyone's, the catalogue can be read by all. No roles of one's own, no ownership chains, and
//! nothing of it is rolled back.

use crate::error::SqlError;
use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub const ADMIN: &str = "sa";

/// Every object of every schema.
pub const EVERYTHING: &str = "*";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    Select,
    Insert,
    Update,
    Delete,
    /// Definitions: CREATE, ALTER, DROP, TRUNCATE, triggers on and off.
    Alter,
}

impl Access {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "SELECT" => Self::Select,
            "INSERT" => Self::Insert,
            "UPDATE" => Self::Update,
            "DELETE" => Self::Delete,
            "ALTER" | "CONTROL" | "CREATE TABLE" | "CREATE VIEW" => Self::Alter,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Alter => "ALTER",
        }
    }
}

#[derive(Debug, Default)]
pub struct Permissions {
    rules: Mutex<Rules>,
}

/// User, what, and on what: `kaizen.events`, `kaizen.*`, or [`EVERYTHING`]; all in lower case.
type Rule = (String, Access, String);

#[derive(Debug, Default)]
struct Rules {
    restricted: HashSet<String>,
    granted: HashSet<Rule>,
    denied: HashSet<Rule>,
}

fn rule(user: &str, access: Access, on: &str) -> Rule {
    (user.to_lowercase(), access, on.to_lowercase())
}

/// Whether a rule of `rules` covers the table.
fn covers(rules: &HashSet<Rule>, user: &str, access: Access, whole: &str) -> bool {
    let schema = whole.split('.').next().unwrap_or_default();
    [whole, &format!("{schema}.*"), EVERYTHING]
        .into_iter()
        .any(|on| rules.contains(&rule(user, access, on)))
}

impl Permissions {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_admin(&self, user: &str) -> bool {
        user.eq_ignore_ascii_case(ADMIN)
    }

    /// From here on only what is granted.
    pub fn restrict(&self, user: &str) {
        self.rules().restricted.insert(user.to_lowercase());
    }

    /// As an owner: everything again.
    pub fn free(&self, user: &str) {
        self.rules().restricted.remove(&user.to_lowercase());
    }

    pub fn grant(&self, user: &str, access: Access, on: &str) {
        let mut rules = self.rules();
        rules.denied.remove(&rule(user, access, on));
        rules.granted.insert(rule(user, access, on));
    }

    pub fn deny(&self, user: &str, access: Access, on: &str) {
        self.rules().denied.insert(rule(user, access, on));
    }

    /// Takes back a grant and a denial alike.
    pub fn revoke(&self, user: &str, access: Access, on: &str) {
        let mut rules = self.rules();
        rules.denied.remove(&rule(user, access, on));
        rules.granted.remove(&rule(user, access, on));
    }

    fn may(&self, user: &str, access: Access, whole: &str) -> bool {
        let rules = self.rules();
        let free = !rules.restricted.contains(&user.to_lowercase());
        self.is_admin(user)
            || !covers(&rules.denied, user, access, whole)
                && (free || covers(&rules.granted, user, access, whole))
    }

    /// Whether `user` may do this to the table of that whole name.
    pub fn check(&self, user: &str, access: Access, whole: &str) -> Result<(), SqlError> {
        let (schema, name) = whole.split_once('.').unwrap_or(("dbo", whole));
        let system = ["sys", "INFORMATION_SCHEMA"].iter().any(|s| s.eq_ignore_ascii_case(schema));
        let open = whole.starts_with('#') || (system && access == Access::Select);
        if open || self.may(user, access, whole) {
            return Ok(());
        }
        let message = format!(
            "The {} permission was denied on the object '{name}', database 'kaizen', schema \
             '{schema}'.",
            access.name()
        );
        Err(SqlError { state: 5, ..SqlError::new(229, 14, message) })
    }

    /// Whether `user` may make something new outside tempdb.
    pub fn check_create(&self, user: &str, kind: &str, whole: &str) -> Result<(), SqlError> {
        if whole.starts_with('#') || self.may(user, Access::Alter, whole) {
            return Ok(());
        }
        let message = format!("CREATE {kind} permission denied in database 'kaizen'.");
        Err(SqlError::new(262, 14, message))
    }
}
