//! What a connection string may say, and what is refused with which words.

use super::super::{
    Connector,
    settings::{Login, Settings, Trust},
};
use std::{env::VarError, ffi::OsString, path::PathBuf, time::Duration};
use tiberius::EncryptionLevel;

const LOGIN: &str = "User Id=u;Password=p";

fn read(ado: &str) -> Settings {
    Settings::parse("DB", ado, None).unwrap_or_else(|error| panic!("{ado}: {error}"))
}

fn refusal(ado: &str) -> String {
    match Settings::parse("DB", ado, None) {
        Err(error) => error.to_string(),
        Ok(settings) => panic!("{ado} was accepted: {settings:?}"),
    }
}

#[test]
fn defaults_are_those_of_microsofts_drivers() {
    let settings = read(&format!("Server=h;{LOGIN}"));
    assert_eq!((settings.host.as_str(), settings.port), ("h", 1433));
    assert_eq!(settings.encryption, EncryptionLevel::Required);
    assert_eq!(settings.trust, Trust::System);
    assert_eq!(settings.application, "kaizen");
    assert_eq!(settings.connect_timeout, Duration::from_secs(15));
    assert_eq!(settings.command_timeout, Some(Duration::from_secs(30)));
    assert_eq!((settings.database, settings.workstation, settings.packet_size), (None, None, None));
    assert!(!settings.read_only && !settings.multi_subnet);
}

#[test]
fn every_keyword_is_read() {
    let settings = read(
        "data source=tcp:db.example,14330; INITIAL CATALOG=Verkäufe; uid=kaizen; pwd='a;b=c''d';\
         encrypt=Strict; trustservercertificateca=/etc/ca.pem; HostNameInCertificate=sql.example;\
         App=loop; WSID=box; Connection Timeout=5; CommandTimeout=90; ApplicationIntent=readonly;\
         MultiSubnetFailover=yes; Packet Size=8000; Authentication=SqlPassword;\
         Integrated Security=false; Persist Security Info=False; MultipleActiveResultSets=no;\
         Pooling=false; Enlist=false",
    );
    assert_eq!((settings.host.as_str(), settings.port), ("db.example", 14330));
    assert_eq!(settings.database.as_deref(), Some("Verkäufe"));
    let Login::Sql { user, password } = &settings.login else { panic!("{:?}", settings.login) };
    assert_eq!((user.as_str(), password.expose()), ("kaizen", "a;b=c'd"));
    assert_eq!(settings.encryption, EncryptionLevel::Strict);
    assert_eq!(settings.trust, Trust::Authority(PathBuf::from("/etc/ca.pem")));
    assert_eq!(settings.certificate_host.as_deref(), Some("sql.example"));
    assert_eq!(settings.application, "loop");
    assert_eq!(settings.workstation.as_deref(), Some("box"));
    assert_eq!(settings.connect_timeout, Duration::from_secs(5));
    assert_eq!(settings.command_timeout, Some(Duration::from_secs(90)));
    assert!(settings.read_only && settings.multi_subnet);
    assert_eq!(settings.packet_size, Some(8000));
}

#[test]
fn a_server_is_a_host_and_a_port() {
    for (server, host, port) in [
        ("h", "h", 1433),
        ("tcp:h", "h", 1433),
        ("TCP: h , 1 ", "h", 1),
        ("h,65535", "h", 65535),
        (".", "localhost", 1433),
        ("(local),14330", "localhost", 14330),
        ("::1,1433", "::1", 1433),
        ("tcp:[fe80::1],1433", "fe80::1", 1433),
        ("bücher.example", "bücher.example", 1433),
    ] {
        let settings = read(&format!("Server={server};{LOGIN}"));
        assert_eq!((settings.host.as_str(), settings.port), (host, port), "{server}");
    }
    for (server, why) in [
        ("h\\SQLEXPRESS", "name the instance's port"),
        ("(localdb)\\v11", "name the instance's port"),
        ("np:\\\\h\\pipe\\sql\\query", "other than TCP"),
        ("lpc:h", "other than TCP"),
        ("admin:h", "other than TCP"),
        ("h:1433", "after a comma"),
        ("tcp://h:1433", "after a comma"),
        ("h,x", "not a number"),
        ("h,0", "not a number"),
        ("h,65536", "not a number"),
        (",1433", "no host"),
    ] {
        let refused = refusal(&format!("Server={server};{LOGIN}"));
        assert!(refused.starts_with("DB: Server ") && refused.contains(why), "{refused}");
    }
    assert!(refusal(LOGIN).contains("Server is missing"));
}

#[test]
fn encryption_has_four_levels() {
    for (value, level) in [
        ("true", EncryptionLevel::Required),
        ("YES", EncryptionLevel::Required),
        ("Mandatory", EncryptionLevel::Required),
        ("strict", EncryptionLevel::Strict),
        ("false", EncryptionLevel::Off),
        ("no", EncryptionLevel::Off),
        ("Optional", EncryptionLevel::Off),
        ("DANGER_PLAINTEXT", EncryptionLevel::NotSupported),
    ] {
        assert_eq!(read(&format!("Server=h;Encrypt={value};{LOGIN}")).encryption, level, "{value}");
    }
    for value in ["", "1", "danger_plaintext", "required"] {
        assert!(refusal(&format!("Server=h;Encrypt={value};{LOGIN}")).contains("DB: Encrypt is"));
    }
}

#[test]
fn what_would_silently_lose_is_refused() {
    for (rest, why) in [
        ("Trust Server Certificate=true;Encrypt=strict", "contradicts Encrypt=strict"),
        ("TrustServerCertificate=true;TrustServerCertificateCA=/c", "CA is moot"),
        ("TrustServerCertificate=true;HostNameInCertificate=x", "HostNameInCertificate is moot"),
        ("MultipleActiveResultSets=true", "MultipleActiveResultSets can only be false"),
        ("Persist Security Info=true", "Persist Security Info can only be false"),
        ("Pooling=true", "Pooling can only be false"),
        ("Max Pool Size=10", "Max Pool Size has no effect: Kaizen keeps no pool"),
        ("Connection Lifetime=10", "Load Balance Timeout has no effect"),
        ("ConnectRetryCount=3", "Connect Retry Count has no effect"),
        ("Failover Partner=x", "Failover Partner is not supported"),
        ("Timeout=5;Connect Timeout=5", "Connect Timeout is given twice"),
        ("UID=x", "User Id is given twice"),
        ("Connect Timeout=0", "would wait for ever"),
        ("Connect Timeout=-1", "not a whole number"),
        ("Command Timeout=soon", "not a whole number"),
        ("Packet Size=511", "from 512 to 32767"),
        ("ApplicationIntent=write", "ReadWrite or ReadOnly"),
        ("MultiSubnetFailover=1", "true or false"),
        ("Database=", "is empty"),
        ("Integrated Security=maybe", "true, SSPI or false"),
        ("Authentication=ActiveDirectoryDefault", "set DB_TOKEN_COMMAND"),
        ("Encript=true", "did you mean Encrypt?"),
    ] {
        let refused = refusal(&format!("Server=h;{LOGIN};{rest}"));
        assert!(refused.starts_with("DB: ") && refused.contains(why), "{rest}: {refused}");
    }
    let long = "x".repeat(129);
    for keyword in ["Database", "Application Name", "Workstation ID"] {
        assert!(refusal(&format!("Server=h;{LOGIN};{keyword}={long}")).contains("longer than"));
    }
    assert_eq!(read(&format!("Server=h;{LOGIN};Command Timeout=0")).command_timeout, None);
}

#[test]
fn somebody_must_log_in_and_only_one() {
    assert!(refusal("Server=h").contains("User Id is missing"));
    assert!(refusal("Server=h;Password=p").contains("User Id is missing"));
    assert!(refusal("Server=h;User Id=u").contains("Password is missing"));
    let settings = read("Server=h;User Id=u;Password=");
    assert!(matches!(settings.login, Login::Sql { password, .. } if password.expose().is_empty()));
    let both = refusal(&format!("Server=h;Integrated Security=SSPI;{LOGIN}"));
    assert!(both.contains("contradicts a User Id"), "{both}");
}

#[cfg(not(any(windows, all(unix, feature = "kerberos"))))]
#[test]
fn integrated_security_says_how_to_get_it() {
    for keyword in ["Integrated Security=SSPI", "Trusted_Connection=yes"] {
        let refused = refusal(&format!("Server=h;{keyword}"));
        assert!(refused.contains("--features kerberos"), "{refused}");
        assert!(refused.contains("SQL login"), "{refused}");
    }
}

#[cfg(any(windows, all(unix, feature = "kerberos")))]
#[test]
fn integrated_security_is_accepted() {
    let settings = read("Server=h;Integrated Security=SSPI");
    assert!(matches!(settings.login, Login::Integrated));
}

#[test]
fn no_message_shows_the_password_or_a_piece_of_it() {
    for ado in [
        "Server=h;User Id=u;Password=Tr0ub4dor;x3=y",
        "Server=h;User Id=u;Password=abc;Tr0ub4dor",
        "Server=h;User Id=u;Password='Tr0ub4dor",
        "Server=h;User Id=u;Password=Tr0ub4dor;Connect Timeout=Tr0ub4dor",
        "Server=h;User Id=u;Password=abc;Tr0ub4dor=true",
        "Server=h,Tr0ub4dor;User Id=u;Password=p",
    ] {
        let error = Settings::parse("DB", ado, None).unwrap_err();
        let shown = format!("{error} {error:?} {:?}", error.mend());
        assert!(!shown.contains("Tr0ub4dor") && !shown.contains("x3"), "{shown}");
    }
    let connector = Connector::parse("DB", "Server=h;User Id=u;Password=Tr0ub4dor").unwrap();
    assert!(!format!("{connector:?}").contains("Tr0ub4dor"));
}

#[test]
fn a_place_is_told_without_secrets() {
    let connector = Connector::parse("DB", &format!("Server=h,1;Database=d;{LOGIN}")).unwrap();
    assert_eq!(connector.place(), "tcp:h,1/d");
    assert_eq!(connector.database(), Some("d"));
    let connector = Connector::parse("DB", &format!("Server=tcp:h;{LOGIN}")).unwrap();
    assert_eq!((connector.place().as_str(), connector.database()), ("tcp:h,1433", None));
}

#[test]
fn a_shorter_timeout_wins() {
    let ado = format!("Server=h;Connect Timeout=5;{LOGIN}");
    let within = |seconds| {
        let limit = Duration::from_secs(seconds);
        Connector::parse("DB", &ado).unwrap().with_timeout(limit).settings.connect_timeout
    };
    assert_eq!((within(2), within(9)), (Duration::from_secs(2), Duration::from_secs(5)));
}

#[test]
fn a_variable_that_is_unset_or_blank_is_no_connector() {
    let looked_up = |value: Result<&str, VarError>| {
        let value = value.map(str::to_owned);
        Connector::from_lookup("DB", |name| match name {
            "DB" => value.clone(),
            _ => Err(VarError::NotPresent),
        })
    };
    assert!(looked_up(Err(VarError::NotPresent)).unwrap().is_none());
    assert!(looked_up(Ok("  ")).unwrap().is_none());
    assert!(looked_up(Ok("Server=h;User Id=u;Password=p")).unwrap().is_some());
    let error = looked_up(Err(VarError::NotUnicode(OsString::from("x")))).unwrap_err();
    assert_eq!(error.to_string(), "DB: the value is not valid UTF-8");
}
