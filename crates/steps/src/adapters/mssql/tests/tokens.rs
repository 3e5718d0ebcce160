//! Access tokens from a command.

use super::{
    super::{Connector, Error, token::TokenCommand},
    tls::Certificate,
};
use kaizen_engine::error::{Class, Classified as _};
use std::env::VarError;

fn command(script: &str) -> TokenCommand {
    let json = serde_json::json!(["sh", "-c", script]).to_string();
    TokenCommand::parse("DB_TOKEN_COMMAND", &json).unwrap()
}

fn connector(ado: &str, command: &str) -> Result<Option<Connector>, Error> {
    Connector::from_lookup("DB", |name| match name {
        "DB" => Ok(ado.to_owned()),
        "DB_TOKEN_COMMAND" => Ok(command.to_owned()),
        _ => Err(VarError::NotPresent),
    })
}

#[tokio::test]
async fn what_the_command_prints_is_the_token() {
    assert_eq!(command("echo ' ey.J-_9 '").token().await.unwrap().expose(), "ey.J-_9");
}

#[tokio::test]
async fn a_command_that_fails_or_prints_something_else_gives_no_token_and_shows_nothing() {
    for script in ["exit 3", "echo secret; exit 1", "true", "echo two words", "echo '{\"a\":1}'"] {
        let error = command(script).token().await.unwrap_err();
        assert_eq!((error.code(), error.class()), ("sqlserver_token", Class::Operator), "{script}");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("DB_TOKEN_COMMAND"), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains("two words"), "{shown}");
    }
}

#[tokio::test]
async fn the_command_does_not_see_the_connection_string() {
    let token = command("test -z \"${CARGO_PKG_NAME+x}\" && echo none").token().await.unwrap();
    assert_eq!(token.expose(), "none");
}

#[test]
fn a_command_is_a_json_array_and_never_a_shell_string() {
    for wrong in ["az account get-access-token", "[]", "[\"\"]", "\"az\"", "[1]"] {
        let error = connector("Server=h", wrong).unwrap_err();
        let shown = error.to_string();
        assert!(shown.starts_with("DB_TOKEN_COMMAND: the command is not a JSON array"), "{shown}");
    }
}

#[test]
fn nobody_logs_in_twice() {
    let command = r#"["az"]"#;
    for ado in ["Server=h;User Id=u", "Server=h;Password=p", "Server=h;Authentication=SqlPassword"]
    {
        let error = connector(ado, command).unwrap_err();
        assert!(error.to_string().contains("contradicts DB_TOKEN_COMMAND"), "{error}");
    }
    let error = connector("Server=h;Encrypt=DANGER_PLAINTEXT", command).unwrap_err();
    assert!(error.to_string().contains("unencrypted"), "{error}");
}

#[tokio::test]
async fn the_token_reaches_the_server_once_for_each_connection() {
    let certificate = Certificate::of("localhost");
    let (_file, trusting) = certificate.trusted();
    let served = certificate.serve(false).await;
    let ado = format!("Server=tcp:localhost,{};{trusting}", served.port);
    let connector = connector(&ado, r#"["echo", "ey.token"]"#).unwrap().unwrap();
    connector.connect().await.unwrap();
    connector.connect().await.unwrap();
    let tokens: Vec<_> =
        served.mock.logins().await.iter().map(|login| login.received_token_as_string()).collect();
    assert_eq!(tokens, [Some("ey.token".to_owned()), Some("ey.token".to_owned())]);
}
