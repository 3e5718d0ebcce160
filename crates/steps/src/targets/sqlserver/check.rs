//! What a target's login may do, by trying: each thing that is missing, what it disables, and the mend.

use super::{access::Role, limits, script, watch};
use crate::{
    adapters::mssql::{Connector, Error, Session},
    provenance::check::{Tried, Verdict},
};
use std::time::Duration;

const COLUMNS: &str = include_str!("../../../../../sql/server/deploy/schema/columns.sql");

/// How long a server that is away is tried.
const PATIENCE: Duration = Duration::from_secs(5);

struct Attempt {
    what: &'static str,
    sql: &'static str,
    serves: &'static str,
    mend: &'static str,
}

const OBSERVE: &[Attempt] = &[
    Attempt {
        what: "read the catalogue",
        sql: COLUMNS,
        serves: "analysis, and nothing that an approval could bind to",
        mend: "GRANT VIEW DEFINITION TO LOGIN",
    },
    Attempt {
        what: "read Query Store",
        sql: watch::STATE,
        serves: "analysis and judging",
        mend: "GRANT VIEW DATABASE STATE TO LOGIN",
    },
    Attempt {
        what: "see what is blocked",
        sql: watch::BLOCKED,
        serves: "guard against blocking",
        mend: SERVER_STATE,
    },
    Attempt {
        what: "see the log's space",
        sql: limits::LOG,
        serves: "limit on the transaction log",
        mend: SERVER_STATE,
    },
    Attempt {
        what: "see tempdb's space",
        sql: limits::TEMPDB,
        serves: "limit on tempdb",
        mend: SERVER_STATE,
    },
    Attempt {
        what: "see the volumes' space",
        sql: limits::VOLUMES,
        serves: "limit on the disks",
        mend: SERVER_STATE,
    },
    Attempt {
        what: "see the replicas' queues",
        sql: limits::REPLICAS,
        serves: "limit on the replicas' queues",
        mend: SERVER_STATE,
    },
];

const SERVER_STATE: &str = "USE master; GRANT VIEW SERVER STATE TO LOGIN";

const DEPLOY: &[Attempt] = &[
    Attempt {
        what: "read the catalogue",
        sql: COLUMNS,
        serves: "deployment: an approval binds to the schema",
        mend: "GRANT VIEW DEFINITION TO LOGIN",
    },
    Attempt {
        what: "read its marks",
        sql: script::NO_MARKS,
        serves: "deployment: what ran once must be told",
        mend: "kaizen sql grants deploy --database DB",
    },
    Attempt {
        what: "write its marks",
        sql: script::TRY_MARK,
        serves: "deployment: what ran once must be told",
        mend: "kaizen sql grants deploy --database DB",
    },
];

/// Tries everything that a login of this role needs. What is tried leaves no trace.
///
/// # Errors
/// That the server cannot be reached.
pub async fn check(connector: &Connector, role: Role) -> Result<Vec<Tried>, Error> {
    let attempts = if role == Role::Observe { OBSERVE } else { DEPLOY };
    let (mut tried, mut session) = (Vec::new(), None::<Session>);
    for attempt in attempts {
        let mut asked = match session.take() {
            Some(session) => session,
            None => connector.session_within(PATIENCE).await?,
        };
        let (result, detail) = match asked.table(attempt.sql).await {
            Ok(_) => {
                session = Some(asked);
                (Verdict::AsItMustBe, "it may".to_owned())
            }
            Err(error @ Error::Server { .. }) => (Verdict::Wrong, error.to_string()),
            Err(error) => return Err(error),
        };
        let wrong = result == Verdict::Wrong;
        tried.push(Tried {
            what: attempt.what.to_owned(),
            result,
            detail,
            disables: wrong.then_some(attempt.serves),
            mend: wrong.then_some(attempt.mend),
        });
    }
    Ok(tried)
}
