//! Which scripts each feature is made of, and in which order they run.

use super::{Error, Feature, Script, parameters::Checked};

/// A feature's scripts.
pub(super) struct Scripts {
    pub detect: &'static str,
    pub enable: &'static [Part],
    pub disable: &'static str,
    pub status: &'static str,
}

/// One script of turning a feature on.
pub(super) struct Part {
    name: &'static str,
    sql: &'static str,
    only_where: Option<&'static str>,
    /// The parameter that chooses it, and its value.
    chosen_by: Option<(&'static str, &'static str)>,
}

impl Part {
    pub(super) fn is_chosen(&self, given: &Checked) -> bool {
        self.chosen_by.is_none_or(|(name, value)| given.value(name) == value)
    }

    pub(super) fn script(&self, feature: Feature, given: &Checked) -> Result<Script, Error> {
        script(feature, self.name, self.sql, self.only_where, given)
    }
}

/// A script, filled, with what its first line says of it.
pub(super) fn script(
    feature: Feature,
    name: &str,
    sql: &str,
    only_where: Option<&'static str>,
    given: &Checked,
) -> Result<Script, Error> {
    let sql = given.fill(feature, sql)?;
    let (permanent, undo) = match label(&sql, "-- PERMANENT: ") {
        // Without either label the worse is assumed.
        None if !sql.starts_with("-- reversible: ") => (Some("it does not say".to_owned()), None),
        permanent => (permanent, label(&sql, "-- reversible: ")),
    };
    Ok(Script { name: format!("{}/{name}", feature.name()), sql, permanent, undo, only_where })
}

/// The sentence that a script opens with, over as many lines of comment as it takes.
fn label(sql: &str, prefix: &str) -> Option<String> {
    let mut lines = sql.lines();
    let mut sentence = lines.next()?.strip_prefix(prefix)?.trim().to_owned();
    while !sentence.ends_with('.') {
        let Some(more) = lines.next().and_then(|line| line.strip_prefix("-- ")) else { break };
        sentence = format!("{sentence} {}", more.trim());
    }
    Some(sentence.trim_end_matches('.').to_owned())
}

const fn part(name: &'static str, sql: &'static str) -> Part {
    Part { name, sql, only_where: None, chosen_by: None }
}

macro_rules! sql {
    ($path:literal) => {
        include_str!(concat!("../../../../sql/server/features/", $path))
    };
}

const QUERY_STORE: Scripts = Scripts {
    detect: sql!("query_store/detect.sql"),
    enable: &[part("enable", sql!("query_store/enable.sql"))],
    disable: sql!("query_store/disable.sql"),
    status: sql!("query_store/status.sql"),
};

const BILLING: Scripts = Scripts {
    detect: sql!("billing/detect.sql"),
    enable: &[
        part("enable", sql!("billing/enable.sql")),
        Part {
            only_where: Some(sql!("billing/detect_memory.sql")),
            chosen_by: Some(("memory", "yes")),
            ..part("memory", sql!("billing/memory.sql"))
        },
    ],
    disable: sql!("billing/disable.sql"),
    status: sql!("billing/status.sql"),
};

const COLUMNSTORE: Scripts = Scripts {
    detect: sql!("columnstore/detect.sql"),
    enable: &[
        Part {
            chosen_by: Some(("method", "columnstore")),
            ..part("enable", sql!("columnstore/enable.sql"))
        },
        Part { chosen_by: Some(("method", "page")), ..part("page", sql!("columnstore/page.sql")) },
    ],
    disable: sql!("columnstore/disable.sql"),
    status: sql!("columnstore/status.sql"),
};

const TEMPORAL: Scripts = Scripts {
    detect: sql!("temporal/detect.sql"),
    enable: &[part("enable", sql!("temporal/enable.sql"))],
    disable: sql!("temporal/disable.sql"),
    status: sql!("temporal/status.sql"),
};

/// The column is made by the first that can: FILESTREAM cannot be had afterwards.
const FILESTREAM: Scripts = Scripts {
    detect: sql!("filestream/detect.sql"),
    enable: &[
        part("check", sql!("filestream/check.sql")),
        Part {
            only_where: Some(sql!("filestream/detect_filestream.sql")),
            chosen_by: Some(("filestream", "yes")),
            ..part("filestream", sql!("filestream/filestream.sql"))
        },
        part("enable", sql!("filestream/enable.sql")),
    ],
    disable: sql!("filestream/disable.sql"),
    status: sql!("filestream/status.sql"),
};

const PREDICT: Scripts = Scripts {
    detect: sql!("predict/detect.sql"),
    enable: &[part("enable", sql!("predict/enable.sql"))],
    disable: sql!("predict/disable.sql"),
    status: sql!("predict/status.sql"),
};

/// Puts rows back; see [`super::restore`].
pub(super) const RESTORE: &str = sql!("temporal/restore.sql");

/// Moves a batch of payloads; see [`super::move_payloads`].
pub(super) const MIGRATE: &str = sql!("filestream/migrate.sql");

pub(super) const fn of(feature: Feature) -> &'static Scripts {
    match feature {
        Feature::QueryStore => &QUERY_STORE,
        Feature::Billing => &BILLING,
        Feature::Columnstore => &COLUMNSTORE,
        Feature::Temporal => &TEMPORAL,
        Feature::Filestream => &FILESTREAM,
        Feature::Predict => &PREDICT,
    }
}
