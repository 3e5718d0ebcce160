//! A model's endpoint for tests: HTTP on loopback, with the answers that a test lays ready.

#![allow(dead_code, clippy::unwrap_used)]

use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// One reply.
#[derive(Debug, Clone)]
pub enum Reply {
    /// What the model says.
    Says(String),
    /// The same after a while.
    Later(Duration, String),
    /// A status, with headers, and a body.
    Status(u16, &'static str, String),
    /// Nothing, for as long as the client waits.
    Silence,
    /// The connection ends.
    HangUp,
}

/// The endpoint. It repeats its last reply.
pub struct Endpoint {
    url: String,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Endpoint {
    pub fn new(replies: &[Reply]) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (heard, replies) = (requests.clone(), Mutex::new(VecDeque::from(replies.to_vec())));
        let next = Arc::new(move || {
            let mut left = replies.lock().unwrap();
            if left.len() > 1 { left.pop_front().unwrap() } else { left[0].clone() }
        });
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (heard, next) = (heard.clone(), next.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &heard, &*next));
            }
        });
        Endpoint { url, requests }
    }

    /// What says where it is.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("KAIZEN_MODEL_URL", self.url.clone()),
            ("KAIZEN_MODEL", "small".to_owned()),
            ("KAIZEN_MODEL_KEY", "key-of-the-test".to_owned()),
        ]
    }

    /// Head and body of every request so far.
    pub fn requests(&self) -> Vec<(String, Value)> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, heard: &Mutex<Vec<(String, Value)>>, next: &dyn Fn() -> Reply) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    heard.lock().unwrap().push((head, serde_json::from_slice(&body).unwrap()));
    answer(stream, next());
}

fn answer(mut stream: TcpStream, reply: Reply) {
    let said = |text: &str| {
        let message = json!({ "role": "assistant", "content": text });
        json!({
            "model": "small", "choices": [{ "message": message }],
            "usage": { "prompt_tokens": 1000, "completion_tokens": 50 }
        })
        .to_string()
    };
    let (status, headers, body) = match reply {
        Reply::Says(text) => (200, "", said(&text)),
        Reply::Later(pause, text) => {
            std::thread::sleep(pause);
            (200, "", said(&text))
        }
        Reply::Status(status, headers, body) => (status, headers, body),
        Reply::Silence => return std::thread::sleep(Duration::from_secs(60)),
        Reply::HangUp => return,
    };
    let head = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    // The client may have had enough.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}
