//! A connection string as typed settings, with every combination refused in which one part would
//! silently lose against another.
//!
//! Written here and not left to tiberius, which skips keywords that it does not know, takes ASCII
//! only, and lets `TrustServerCertificate=true` undo `Encrypt=strict`.

use super::{
    error::Error,
    given::{Given, flag},
    keywords::Keyword,
    secret::Secret,
    token::TokenCommand,
};
use std::{path::PathBuf, time::Duration};
use tiberius::{AuthMethod, EncryptionLevel};

/// .NET's default for `Connect Timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// .NET's default for `Command Timeout`.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// What a TDS packet may measure, in bytes; tiberius stops one short of .NET's 32768.
const PACKET_SIZES: std::ops::RangeInclusive<u32> = 512..=32767;

/// Everything that a connection needs to know.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub host: String,
    pub port: u16,
    pub database: Option<String>,
    pub login: Login,
    pub encryption: EncryptionLevel,
    pub trust: Trust,
    pub certificate_host: Option<String>,
    pub application: String,
    pub workstation: Option<String>,
    /// For the whole of name look-up, TCP, TLS, login and every hop.
    pub connect_timeout: Duration,
    /// For each answer of the server; `None` waits for ever.
    pub command_timeout: Option<Duration>,
    pub read_only: bool,
    pub multi_subnet: bool,
    pub packet_size: Option<u32>,
}

/// Who logs in.
#[derive(Debug, Clone)]
pub(super) enum Login {
    Sql { user: String, password: Secret },
    Integrated,
    Token(TokenCommand),
}

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// Those signed by the operating system's authorities.
    System,
    /// Those signed by an authority in this file, too.
    Authority(PathBuf),
    /// Anyone's.
    Anyone,
}

impl Settings {
    pub(super) fn parse(
        source: &str,
        ado: &str,
        token: Option<TokenCommand>,
    ) -> Result<Settings, Error> {
        let mut given = Given::read(source, ado)?;
        let (host, port) = server(&mut given)?;
        let encryption = encryption(&mut given)?;
        let certificate_host = given.text(Keyword::CertificateHost)?;
        let trust = trust(&mut given, encryption, certificate_host.is_some())?;
        Ok(Settings {
            host,
            port,
            database: given.named(Keyword::Database)?,
            login: login(&mut given, token, encryption)?,
            encryption,
            trust,
            certificate_host,
            application: given.named(Keyword::Application)?.unwrap_or_else(|| "kaizen".to_owned()),
            workstation: given.named(Keyword::Workstation)?,
            connect_timeout: connect_timeout(&mut given)?,
            command_timeout: match given.seconds(Keyword::CommandTimeout)? {
                Some(Duration::ZERO) => None,
                limit => Some(limit.unwrap_or(COMMAND_TIMEOUT)),
            },
            read_only: read_only(&mut given)?,
            multi_subnet: given.flag(Keyword::MultiSubnet)?,
            packet_size: packet_size(&mut given)?,
        })
    }
}

fn server(given: &mut Given<'_>) -> Result<(String, u16), Error> {
    const KEYWORD: Keyword = Keyword::Server;
    let refuse = |given: &Given<'_>, why: &str| Err(given.refuse(KEYWORD, why));
    let Some(value) = given.text(KEYWORD)? else {
        return refuse(given, "is missing, as in Server=tcp:host,1433");
    };
    let prefixed = |prefix: &str| {
        let head = value.get(..prefix.len())?;
        head.eq_ignore_ascii_case(prefix).then(|| value[prefix.len()..].trim())
    };
    if ["np:", "lpc:", "admin:"].into_iter().any(|other| prefixed(other).is_some()) {
        return refuse(given, "names a protocol other than TCP, as in Server=tcp:host,1433");
    }
    let address = prefixed("tcp:").unwrap_or(&value);
    let (host, port) = match address.rsplit_once(',') {
        Some((host, port)) => (host.trim(), port.trim().parse().ok().filter(|port| *port != 0)),
        None => (address, Some(1433)),
    };
    let Some(port) = port else {
        return refuse(given, "has a port that is not a number from 1 to 65535");
    };
    if host.contains('\\') {
        return refuse(
            given,
            "names an instance, and SQL Server Browser is not asked: name the instance's port \
             instead, as in Server=tcp:host,14330",
        );
    }
    // One colon is a port in the wrong place; more are an IPv6 address.
    if host.matches(':').count() == 1 || host.contains('/') {
        return refuse(given, "takes its port after a comma, as in Server=tcp:host,1433");
    }
    match host {
        "" => refuse(given, "names no host, as in Server=tcp:host,1433"),
        "." | "(local)" => Ok(("localhost".to_owned(), port)),
        host => Ok((host.trim_matches(['[', ']']).to_owned(), port)),
    }
}

fn encryption(given: &mut Given<'_>) -> Result<EncryptionLevel, Error> {
    let Some(value) = given.take(Keyword::Encrypt) else { return Ok(EncryptionLevel::Required) };
    match (flag(&value), value.to_ascii_lowercase().as_str()) {
        (Some(true), _) | (None, "mandatory") => Ok(EncryptionLevel::Required),
        (Some(false), _) | (None, "optional") => Ok(EncryptionLevel::Off),
        (None, "strict") => Ok(EncryptionLevel::Strict),
        (None, _) if value == "DANGER_PLAINTEXT" => Ok(EncryptionLevel::NotSupported),
        (None, _) => Err(given.refuse(
            Keyword::Encrypt,
            "is true (mandatory), strict, false (optional: the login only) or DANGER_PLAINTEXT",
        )),
    }
}

fn trust(
    given: &mut Given<'_>,
    encryption: EncryptionLevel,
    host_given: bool,
) -> Result<Trust, Error> {
    let authority = given.text(Keyword::TrustAuthority)?.map(PathBuf::from);
    let anyone = given.flag(Keyword::TrustAnyone)?;
    let refuse = |why: &str| Err(given.refuse(Keyword::TrustAnyone, why));
    match (anyone, authority) {
        (false, None) => Ok(Trust::System),
        (false, Some(path)) => Ok(Trust::Authority(path)),
        (true, Some(_)) => refuse("believes any certificate, so TrustServerCertificateCA is moot"),
        (true, None) if host_given => {
            refuse("believes any certificate, so HostNameInCertificate is moot")
        }
        // As in Microsoft's drivers: strict always looks at the certificate.
        (true, None) if encryption == EncryptionLevel::Strict => {
            refuse("contradicts Encrypt=strict, which always checks the certificate")
        }
        (true, None) => Ok(Trust::Anyone),
    }
}

fn login(
    given: &mut Given<'_>,
    token: Option<TokenCommand>,
    encryption: EncryptionLevel,
) -> Result<Login, Error> {
    let named_sql = authentication(given)?;
    let integrated = integrated(given)?;
    let user = given.named(Keyword::User)?;
    let password = given.take(Keyword::Password);
    if password.as_ref().is_some_and(|password| password.encode_utf16().count() > 128) {
        return Err(given.refuse(Keyword::Password, "is longer than the 128 characters allowed"));
    }
    let sql = named_sql || user.is_some() || password.is_some();
    match (token, integrated, sql) {
        (Some(token), false, false) if encryption == EncryptionLevel::NotSupported => Err(given
            .refuse(
                Keyword::Encrypt,
                format!("would send the token of {} unencrypted", token.variable()),
            )),
        (Some(token), false, false) => Ok(Login::Token(token)),
        (Some(token), _, _) => {
            let keyword = if integrated { Keyword::Integrated } else { Keyword::User };
            let why = format!("contradicts {}: one of them logs in", token.variable());
            Err(given.refuse(keyword, why))
        }
        (None, true, true) => {
            Err(given.refuse(Keyword::Integrated, "contradicts a User Id or Password beside it"))
        }
        (None, true, false) => {
            integrated_method(given.source())?;
            Ok(Login::Integrated)
        }
        (None, false, _) => match (user, password) {
            (Some(user), Some(password)) => {
                Ok(Login::Sql { user, password: Secret::new(password) })
            }
            (Some(_), None) => {
                Err(given.refuse(Keyword::Password, "is missing (an empty one is Password=)"))
            }
            (None, _) => Err(given.refuse(Keyword::User, "is missing: nobody would log in")),
        },
    }
}

/// Whether a SQL login is asked for by name.
fn authentication(given: &mut Given<'_>) -> Result<bool, Error> {
    let Some(value) = given.take(Keyword::Authentication) else { return Ok(false) };
    if value.eq_ignore_ascii_case("SqlPassword") {
        return Ok(true);
    }
    let why = format!(
        "is SqlPassword or not given. For Microsoft Entra, remove it and set {}_TOKEN_COMMAND to a \
         JSON array: a command that prints an access token",
        given.source()
    );
    Err(given.refuse(Keyword::Authentication, why))
}

fn integrated(given: &mut Given<'_>) -> Result<bool, Error> {
    match given.take(Keyword::Integrated) {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("sspi") => Ok(true),
        Some(value) => {
            flag(&value).ok_or_else(|| given.refuse(Keyword::Integrated, "is true, SSPI or false"))
        }
    }
}

/// Log in as the operating system's user.
#[cfg(any(windows, all(unix, feature = "kerberos")))]
pub(super) fn integrated_method(_: &str) -> Result<AuthMethod, Error> {
    Ok(AuthMethod::Integrated)
}

/// Log in as the operating system's user: not in this build.
#[cfg(not(any(windows, all(unix, feature = "kerberos"))))]
pub(super) fn integrated_method(source: &str) -> Result<AuthMethod, Error> {
    Err(Error::setting(
        source,
        Keyword::Integrated.name(),
        "needs Kerberos, which this build does not have: `cargo install --path crates/cli \
         --features kerberos`, or use a SQL login",
    ))
}

fn connect_timeout(given: &mut Given<'_>) -> Result<Duration, Error> {
    match given.seconds(Keyword::ConnectTimeout)? {
        Some(Duration::ZERO) => {
            Err(given.refuse(Keyword::ConnectTimeout, "of 0 would wait for ever. Give a limit"))
        }
        limit => Ok(limit.unwrap_or(CONNECT_TIMEOUT)),
    }
}

fn read_only(given: &mut Given<'_>) -> Result<bool, Error> {
    match given.take(Keyword::Intent).map(|value| value.to_ascii_lowercase()).as_deref() {
        None | Some("readwrite") => Ok(false),
        Some("readonly") => Ok(true),
        Some(_) => Err(given.refuse(Keyword::Intent, "is ReadWrite or ReadOnly")),
    }
}

fn packet_size(given: &mut Given<'_>) -> Result<Option<u32>, Error> {
    let size = given.number(Keyword::PacketSize)?;
    if size.is_some_and(|size| !PACKET_SIZES.contains(&size)) {
        return Err(given.refuse(Keyword::PacketSize, "is a number from 512 to 32767"));
    }
    Ok(size)
}
