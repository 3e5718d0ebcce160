//! Encryption: whose certificate is believed, and under which name.

use super::{
    super::Error,
    envelopes,
    peers::{ANY_PORT, Mock, Peer, to},
};
use kaizen_engine::error::{Class, Classified as _};
use mssql_mock_tds::{MockTdsServer, create_test_identity};
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    x509::{
        X509, X509Name,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};
use std::io::Write as _;
use tempfile::NamedTempFile;

/// A certificate signed by itself, for one host, and its key; both PEM.
pub(super) struct Certificate {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// A server with TLS.
pub(super) struct Served {
    pub port: u16,
    pub mock: Mock,
    #[expect(dead_code, reason = "it listens until it is dropped")]
    front: Option<Peer>,
}

impl Certificate {
    pub(super) fn of(host: &str) -> Certificate {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_text("CN", host).unwrap();
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
        builder.set_serial_number(&serial).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.append_extension(BasicConstraints::new().ca().build().unwrap()).unwrap();
        let context = builder.x509v3_context(None, None);
        let names = SubjectAlternativeName::new().dns(host).build(&context).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Certificate {
            certificate: builder.build().to_pem().unwrap(),
            key: key.private_key_to_pem_pkcs8().unwrap(),
        }
    }

    /// A server with this certificate, and the port to reach it at.
    pub(super) async fn serve(&self, strict: bool) -> Served {
        let identity = create_test_identity(&self.certificate, &self.key).unwrap();
        if strict {
            let server = MockTdsServer::new_with_strict_tls(ANY_PORT, identity).await.unwrap();
            let mock = Mock::run(server);
            return Served { port: mock.peer.port, mock, front: None };
        }
        let server = MockTdsServer::new_with_tls(ANY_PORT, Some(identity)).await.unwrap();
        let mock = Mock::run(server);
        let front = envelopes::corrected(mock.peer.port).await;
        Served { port: front.port, mock, front: Some(front) }
    }

    /// Its file as a user would have it, and the keyword that names it.
    pub(super) fn trusted(&self) -> (NamedTempFile, String) {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&self.certificate).unwrap();
        let keyword = format!("TrustServerCertificateCA='{}';", file.path().display());
        (file, keyword)
    }
}

async fn refused(served: &Served, rest: &str) {
    let error = to(served.port, rest).connect().await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
    assert_eq!((error.code(), error.class()), ("sqlserver_certificate", Class::Operator));
    assert!(error.mend()[0].contains("TrustServerCertificateCA"));
    assert!(
        served.mock.logins().await.is_empty(),
        "the login was sent to a server that is not trusted"
    );
}

#[tokio::test]
async fn a_certificate_signed_by_itself_is_refused() {
    refused(&Certificate::of("localhost").serve(false).await, "").await;
    refused(&Certificate::of("localhost").serve(true).await, "Encrypt=strict").await;
}

#[tokio::test]
async fn it_is_accepted_where_it_is_named_as_an_authority() {
    let certificate = Certificate::of("localhost");
    let (_file, trusting) = certificate.trusted();
    let served = certificate.serve(false).await;
    for encrypt in ["true", "mandatory", "false"] {
        let connector = to(served.port, &format!("{trusting}Encrypt={encrypt}"));
        let mut client = connector.connect().await.unwrap();
        client.simple_query("SELECT 1").await.unwrap().into_row().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn strict_encryption_works_with_the_authority() {
    let certificate = Certificate::of("localhost");
    let (_file, trusting) = certificate.trusted();
    let served = certificate.serve(true).await;
    let connector = to(served.port, &format!("{trusting}Encrypt=strict"));
    let mut client = connector.connect().await.unwrap();
    client.simple_query("SELECT 1").await.unwrap().into_row().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused_unless_that_name_is_given() {
    let certificate = Certificate::of("elsewhere.example");
    let (_file, trusting) = certificate.trusted();
    for (strict, encrypt) in [(false, "true"), (true, "strict")] {
        let served = certificate.serve(strict).await;
        let rest = format!("{trusting}Encrypt={encrypt};");
        refused(&served, &rest).await;
        let named = format!("{rest}HostNameInCertificate=elsewhere.example");
        to(served.port, &named).connect().await.unwrap();
    }
}

#[tokio::test]
async fn any_certificate_will_do_where_that_was_asked_for() {
    let served = Certificate::of("elsewhere.example").serve(false).await;
    to(served.port, "TrustServerCertificate=true").connect().await.unwrap();
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_a_setting_to_correct() {
    let served = Certificate::of("localhost").serve(false).await;
    let mut empty = NamedTempFile::new().unwrap();
    empty.write_all(b"no certificate").unwrap();
    let path = empty.path().display().to_string();
    for (path, why) in [("/nowhere/ca.pem", "cannot be read at"), (&path, "holds no certificate")] {
        let connector = to(served.port, &format!("TrustServerCertificateCA='{path}'"));
        let error = connector.connect().await.unwrap_err();
        assert_eq!(error.code(), "sqlserver_setting");
        let told = format!("TEST: TrustServerCertificateCA {why}");
        assert!(error.to_string().starts_with(&told), "{error}");
    }
}
