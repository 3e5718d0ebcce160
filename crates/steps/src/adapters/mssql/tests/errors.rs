//! Which errors are tried again, and what each is called.

use super::super::{Error, from_tiberius, is_transient, numbers};
use kaizen_engine::error::{Class, Classified as _};
use std::io::ErrorKind;

fn server(number: u32) -> Error {
    Error::Server {
        number,
        state: 1,
        class: 16,
        message: "m".into(),
        line: 3,
        procedure: String::new(),
    }
}

#[test]
fn what_microsoft_calls_transient_is_tried_again() {
    let transient = [
        0, 20, 64, 233, 997, 1204, 1205, 1222, 3935, 3960, 4221, 6005, 8645, 8651, 10053, 10054,
        10060, 10928, 10929, 17197, 18401, 40143, 40197, 40501, 40540, 40613, 41301, 41302, 41305,
        41325, 41839, 42108, 42109, 49918, 49919, 49920,
    ];
    for number in transient {
        assert!(is_transient(number), "{number}");
        assert!(!numbers::is_login(number), "{number} would be taken for a refused login");
        assert_eq!(server(number).class(), Class::Retry, "{number}");
    }
    assert_eq!((0..=60_000).filter(|number| is_transient(*number)).count(), transient.len());
}

#[test]
fn what_a_person_must_mend_is_not_tried_again() {
    for number in [102, 207, 208, 229, 262, 911, 1105, 2601, 2627, 4060, 9002, 18456, 18488, 50000]
    {
        assert_eq!(server(number).class(), Class::Operator, "{number}");
    }
}

#[test]
fn each_error_has_its_word() {
    for (number, code) in [
        (1205, "sqlserver_deadlock"),
        (1222, "sqlserver_timeout"),
        (911, "sqlserver_database"),
        (229, "sqlserver_denied"),
        (230, "sqlserver_denied"),
        (262, "sqlserver_denied"),
        (297, "sqlserver_denied"),
        (300, "sqlserver_denied"),
        (916, "sqlserver_denied"),
        (1105, "sqlserver_full"),
        (9002, "sqlserver_full"),
        (208, "sqlserver_error"),
    ] {
        assert_eq!(server(number).code(), code, "{number}");
    }
}

#[test]
fn a_server_error_says_where_it_happened() {
    assert_eq!(server(208).to_string(), "SQL Server error 208, level 16, state 1, line 3: m");
    let Error::Server { number, state, class, message, line, .. } = server(208) else { panic!() };
    let procedure = "kaizen.append".to_owned();
    let inside = Error::Server { number, state, class, message, line, procedure };
    assert_eq!(
        inside.to_string(),
        "SQL Server error 208, level 16, state 1, kaizen.append line 3: m"
    );
}

#[test]
fn the_drivers_errors_are_sorted_by_kind() {
    let io = |kind| tiberius::error::Error::Io { kind, message: "m".into() };
    for (error, code, class) in [
        (io(ErrorKind::TimedOut), "sqlserver_timeout", Class::Retry),
        (io(ErrorKind::ConnectionReset), "sqlserver_lost", Class::Retry),
        (io(ErrorKind::UnexpectedEof), "sqlserver_lost", Class::Retry),
        (io(ErrorKind::InvalidData), "sqlserver_protocol", Class::Operator),
        (tiberius::error::Error::Tls("m".into()), "sqlserver_certificate", Class::Operator),
        (tiberius::error::Error::Utf8, "sqlserver_protocol", Class::Operator),
    ] {
        let error = from_tiberius("tcp:h,1433/d", error);
        assert_eq!((error.code(), error.class()), (code, class), "{error}");
        assert!(error.to_string().contains("tcp:h,1433/d"), "{error}");
    }
}

#[test]
fn advice_to_believe_any_certificate_says_what_that_gives_up() {
    let error = Error::Tls { place: "tcp:h,1433".into(), why: "self-signed".into() };
    let advice = error.mend();
    let risky = advice.iter().find(|line| line.contains("TrustServerCertificate=true")).unwrap();
    assert!(risky.contains("give up"), "{risky}");
}
