//! Every keyword of a SQL Server connection string that Kaizen knows, with its synonyms.
//!
//! A keyword that would be ignored is not accepted: what it asks for would silently not happen.
//! Those that other drivers know are listed here too, so that the refusal can say why.

/// A keyword that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Server,
    Database,
    User,
    Password,
    Encrypt,
    TrustAnyone,
    TrustAuthority,
    CertificateHost,
    Application,
    Workstation,
    ConnectTimeout,
    CommandTimeout,
    Intent,
    MultiSubnet,
    PacketSize,
    Integrated,
    Authentication,
}

/// What becomes of a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read(Keyword),
    /// Accepted as `false`, which says what holds anyway; `true` cannot be had.
    AlwaysFalse(&'static str),
    /// Refused, for this reason.
    Refused(&'static str),
}

/// A keyword: the name it is spoken of by, its synonyms, and what becomes of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: &'static str,
    synonyms: &'static [&'static str],
    pub used: Use,
}

const NO_POOL: &str = "has no effect: Kaizen keeps no pool of connections. Remove it";
const NO_RECONNECT: &str = "has no effect: Kaizen tries again by rules of its own. Remove it";
const NO_CLIENT: &str = "has no effect: it is for another driver's machinery. Remove it";
const UNSUPPORTED: &str = "is not supported, and ignoring it would not do what it asks. Remove it";

const fn entry(name: &'static str, synonyms: &'static [&'static str], used: Use) -> Entry {
    Entry { name, synonyms, used }
}

const fn read(name: &'static str, synonyms: &'static [&'static str], keyword: Keyword) -> Entry {
    entry(name, synonyms, Use::Read(keyword))
}

static ENTRIES: &[Entry] = &[
    read("Server", &["Data Source", "Address", "Addr", "Network Address"], Keyword::Server),
    read("Database", &["Initial Catalog"], Keyword::Database),
    read("User Id", &["UID", "User"], Keyword::User),
    read("Password", &["PWD"], Keyword::Password),
    read("Encrypt", &[], Keyword::Encrypt),
    read("TrustServerCertificate", &[], Keyword::TrustAnyone),
    read("TrustServerCertificateCA", &[], Keyword::TrustAuthority),
    read("HostNameInCertificate", &[], Keyword::CertificateHost),
    read("Application Name", &["App"], Keyword::Application),
    read("Workstation ID", &["WSID"], Keyword::Workstation),
    read("Connect Timeout", &["Connection Timeout", "Timeout"], Keyword::ConnectTimeout),
    read("Command Timeout", &[], Keyword::CommandTimeout),
    read("Application Intent", &[], Keyword::Intent),
    read("MultiSubnetFailover", &[], Keyword::MultiSubnet),
    read("Packet Size", &[], Keyword::PacketSize),
    read("Integrated Security", &["Trusted_Connection"], Keyword::Integrated),
    read("Authentication", &[], Keyword::Authentication),
    entry(
        "Persist Security Info",
        &[],
        Use::AlwaysFalse("Kaizen never hands a password out again"),
    ),
    entry(
        "MultipleActiveResultSets",
        &["MARS_Connection"],
        Use::AlwaysFalse("Kaizen has one request at a time on a connection"),
    ),
    entry("Pooling", &[], Use::AlwaysFalse("Kaizen keeps no pool of connections")),
    entry("Enlist", &[], Use::AlwaysFalse("Kaizen takes part in no distributed transaction")),
    entry("Replication", &[], Use::AlwaysFalse("Kaizen is no replication agent")),
    entry("User Instance", &[], Use::AlwaysFalse("there are no user instances outside Windows")),
    entry("Context Connection", &[], Use::AlwaysFalse("Kaizen runs outside the server")),
    entry("Max Pool Size", &[], Use::Refused(NO_POOL)),
    entry("Min Pool Size", &[], Use::Refused(NO_POOL)),
    entry("Load Balance Timeout", &["Connection Lifetime"], Use::Refused(NO_POOL)),
    entry("Connection Reset", &[], Use::Refused(NO_POOL)),
    entry("Pool Blocking Period", &[], Use::Refused(NO_POOL)),
    entry("Connect Retry Count", &[], Use::Refused(NO_RECONNECT)),
    entry("Connect Retry Interval", &[], Use::Refused(NO_RECONNECT)),
    entry("Transaction Binding", &[], Use::Refused(NO_CLIENT)),
    entry("Type System Version", &[], Use::Refused(NO_CLIENT)),
    entry("Asynchronous Processing", &["Async"], Use::Refused(NO_CLIENT)),
    entry("Transparent Network IP Resolution", &[], Use::Refused(NO_CLIENT)),
    entry("Driver", &[], Use::Refused(NO_CLIENT)),
    entry("Provider", &[], Use::Refused(NO_CLIENT)),
    entry("DSN", &[], Use::Refused(UNSUPPORTED)),
    entry("Network Library", &["Network", "Net"], Use::Refused(UNSUPPORTED)),
    entry("IP Address Preference", &[], Use::Refused(UNSUPPORTED)),
    entry("Failover Partner", &[], Use::Refused(UNSUPPORTED)),
    entry("Failover Partner SPN", &[], Use::Refused(UNSUPPORTED)),
    entry("Server SPN", &[], Use::Refused(UNSUPPORTED)),
    entry("Current Language", &["Language"], Use::Refused(UNSUPPORTED)),
    entry(
        "AttachDBFilename",
        &["Extended Properties", "Initial File Name"],
        Use::Refused(UNSUPPORTED),
    ),
    entry("Column Encryption Setting", &[], Use::Refused(UNSUPPORTED)),
    entry("Enclave Attestation Url", &[], Use::Refused(UNSUPPORTED)),
    entry("Attestation Protocol", &[], Use::Refused(UNSUPPORTED)),
    entry(
        "Server Certificate",
        &[],
        Use::Refused("is not supported. TrustServerCertificateCA takes the certificate instead"),
    ),
];

/// What a name means; case and spaces do not count.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    let name = plain(name);
    ENTRIES.iter().find(|entry| entry.names().any(|known| plain(known) == name))
}

/// The known name that an unknown one was probably meant to be. Short names are never proposed:
/// an unknown name may be a piece of a password, and a near miss of three letters would tell it.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let proposed = ENTRIES
        .iter()
        .filter(|entry| matches!(entry.used, Use::Read(_)))
        .flat_map(Entry::names)
        .filter(|known| known.len() > 6);
    kaizen_engine::workflow::nearest(name, proposed)
}

impl Keyword {
    /// The name that it is spoken of by.
    pub(super) fn name(self) -> &'static str {
        let of = |entry: &&Entry| entry.used == Use::Read(self);
        ENTRIES.iter().find(of).map_or("", |entry| entry.name)
    }
}

impl Entry {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.synonyms.iter().copied())
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_name_means_two_things() {
        let mut seen = BTreeSet::new();
        for name in ENTRIES.iter().flat_map(Entry::names) {
            assert!(seen.insert(plain(name)), "{name} is listed twice");
        }
    }

    #[test]
    fn case_and_spaces_do_not_count() {
        for name in ["userid", "USER ID", "User Id", "uid", "user"] {
            assert_eq!(find(name).unwrap().name, "User Id", "{name}");
        }
        assert_eq!(find("applicationintent").unwrap().name, "Application Intent");
        assert!(find("Usr").is_none());
    }

    #[test]
    fn a_slip_is_recognised_and_a_fragment_is_not() {
        assert_eq!(nearest("Pasword"), Some("Password"));
        assert_eq!(nearest("TrustServerCertifcate"), Some("TrustServerCertificate"));
        assert_eq!(nearest("apq"), None);
    }
}
