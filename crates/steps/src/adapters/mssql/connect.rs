//! One connection: name look-up, TCP, TLS, login, the hops that the server asks for, and the
//! session's options, all within one time-out. Trying again is not for here.

use super::{
    Client,
    error::{Error, from_tiberius},
    keywords::Keyword,
    settings::{Login, Settings, Trust, integrated_method},
};
use socket2::{SockRef, TcpKeepalive};
use std::{net::SocketAddr, path::Path, time::Duration};
use tiberius::{AuthMethod, Config};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tokio_util::compat::TokioAsyncWriteCompatExt as _;

/// The options that every session works under.
const SESSION: &str = include_str!("session.sql");
/// Redirections followed: one is Azure's gateway, two an availability group behind it.
const MAX_HOPS: usize = 3;
/// How long a connection may be silent before it is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How a certificate begins as text, and as bytes (an ASN.1 sequence).
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";
const DER: u8 = 0x30;

/// Opens a connection. `source` names the settings in errors.
pub(super) async fn open(settings: &Settings, source: &str) -> Result<Client, Error> {
    // Before the clock starts: signing in has a time-out of its own.
    let login = method(&settings.login, source).await?;
    let opening = Opening {
        config: config(settings, source, login)?,
        parallel: settings.multi_subnet,
        limit: settings.connect_timeout,
        deadline: Instant::now() + settings.connect_timeout,
    };
    let mut host = settings.host.clone();
    let mut port = settings.port;
    for _ in 0..=MAX_HOPS {
        let place = place(&host, port, settings.database.as_deref());
        match opening.attempt(&host, port, &place).await {
            Ok(client) => return Ok(client),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Elsewhere(next_host, next_port)) => {
                tracing::debug!(from = place, host = next_host, port = next_port, "redirected");
                (host, port) = (next_host, next_port);
            }
        }
    }
    let why = format!("it was redirected more than {MAX_HOPS} times, at last to {host},{port}");
    Err(Error::Protocol { place: self::place(&settings.host, settings.port, None), why })
}

/// Where, for people and for what an approval binds to.
pub(super) fn place(host: &str, port: u16, database: Option<&str>) -> String {
    match database {
        Some(database) => format!("tcp:{host},{port}/{database}"),
        None => format!("tcp:{host},{port}"),
    }
}

/// Why an attempt at one place gave no connection.
enum Stop {
    Elsewhere(String, u16),
    Failed(Error),
}

struct Opening {
    config: Config,
    parallel: bool,
    limit: Duration,
    deadline: Instant,
}

impl Opening {
    async fn attempt(&self, host: &str, port: u16, place: &str) -> Result<Client, Stop> {
        let stream = self.dial(host, port, place).await.map_err(Stop::Failed)?;
        let mut config = self.config.clone();
        config.host(host);
        config.port(port);
        let stopped = |error| match error {
            tiberius::error::Error::Routing { host, port } => Stop::Elsewhere(host, port),
            error => Stop::Failed(from_tiberius(place, error)),
        };
        let opened = async {
            let mut client = Client::connect(config, stream.compat_write()).await?;
            client.simple_query(SESSION).await?.into_results().await?;
            Ok(client)
        };
        match timeout_at(self.deadline, opened).await {
            Ok(opened) => opened.map_err(stopped),
            Err(_) => Err(Stop::Failed(self.late(place, "it answered, but let nobody log in"))),
        }
    }

    async fn dial(&self, host: &str, port: u16, place: &str) -> Result<TcpStream, Error> {
        let unresolvable = |why: String| Error::Unresolvable { place: place.to_owned(), why };
        let addresses: Vec<SocketAddr> = timeout_at(self.deadline, lookup_host((host, port)))
            .await
            .map_err(|_| self.late(place, "its name was not resolved"))?
            .map_err(|error| unresolvable(error.to_string()))?
            .collect();
        if addresses.is_empty() {
            return Err(unresolvable("it has no address".to_owned()));
        }
        let dialled = async {
            if self.parallel {
                first_of(addresses).await
            } else {
                one_by_one(addresses, self.deadline).await
            }
        };
        let stream = timeout_at(self.deadline, dialled)
            .await
            .map_err(|_| self.late(place, "no TCP connection"))?
            .map_err(|why| Error::Unreachable { place: place.to_owned(), why })?;
        // A request is one write, its answer is waited for: collecting packets only delays it.
        stream.set_nodelay(true).map_err(|error| from_tiberius(place, error.into()))?;
        // An answer may take hours; that the other side is gone must show before.
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4);
        SockRef::from(&stream)
            .set_tcp_keepalive(&keepalive)
            .map_err(|error| from_tiberius(place, error.into()))?;
        Ok(stream)
    }

    fn late(&self, place: &str, what: &str) -> Error {
        let why = format!("{what} within {:?}", self.limit);
        Error::Unreachable { place: place.to_owned(), why }
    }
}

/// One address after another, each with a fair share of the time that is left: a name often stands
/// for an IPv6 and an IPv4 address of which only one answers.
async fn one_by_one(addresses: Vec<SocketAddr>, deadline: Instant) -> Result<TcpStream, String> {
    let mut why = Vec::new();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why.push(format!("{address}: {error}")),
            Err(_) => why.push(format!("{address}: no answer within {share:?}")),
        }
    }
    Err(why.join("; "))
}

/// All at once, the first that answers: what `MultiSubnetFailover` asks for, where one of the
/// addresses of an availability group's listener is alive.
async fn first_of(addresses: Vec<SocketAddr>) -> Result<TcpStream, String> {
    let mut racing = JoinSet::new();
    for address in addresses {
        racing.spawn(async move { (address, TcpStream::connect(address).await) });
    }
    let mut why = Vec::new();
    while let Some(done) = racing.join_next().await {
        match done {
            Ok((_, Ok(stream))) => return Ok(stream),
            Ok((address, Err(error))) => why.push(format!("{address}: {error}")),
            Err(ended) => why.push(ended.to_string()),
        }
    }
    Err(why.join("; "))
}

async fn method(login: &Login, source: &str) -> Result<AuthMethod, Error> {
    match login {
        Login::Sql { user, password } => Ok(AuthMethod::sql_server(user, password.expose())),
        Login::Integrated => integrated_method(source),
        Login::Token(command) => Ok(AuthMethod::aad_token(command.token().await?.expose())),
    }
}

fn config(settings: &Settings, source: &str, login: AuthMethod) -> Result<Config, Error> {
    let mut config = Config::new();
    config.authentication(login);
    config.encryption(settings.encryption);
    config.application_name(&settings.application);
    config.readonly(settings.read_only);
    config.command_timeout(settings.command_timeout);
    // The deadline here covers it; a second clock would only decide at random which one speaks.
    config.handshake_timeout(None);
    if let Some(database) = &settings.database {
        config.database(database);
    }
    if let Some(workstation) = &settings.workstation {
        config.client_name(workstation);
    }
    if let Some(host) = &settings.certificate_host {
        config.hostname_in_certificate(host);
    }
    if let Some(size) = settings.packet_size {
        config.packet_size(size);
    }
    match &settings.trust {
        Trust::System => {}
        Trust::Anyone => config.trust_cert(),
        Trust::Authority(path) => config.trust_cert_ca_bundle(authority(path, source)?),
    }
    Ok(config)
}

/// The authority's certificates. Looked at here, so that a wrong file is a setting to correct and
/// not a server that cannot be understood.
fn authority(path: &Path, source: &str) -> Result<Vec<u8>, Error> {
    let refuse = |why: String| Error::setting(source, Keyword::TrustAuthority.name(), why);
    let bytes = std::fs::read(path)
        .map_err(|error| refuse(format!("cannot be read at {}: {error}", path.display())))?;
    let pem = bytes.windows(PEM.len()).any(|window| window == PEM);
    if !pem && bytes.first() != Some(&DER) {
        return Err(refuse(format!("holds no certificate at {} (PEM or DER)", path.display())));
    }
    Ok(bytes)
}
