//! Receivers that behave as the real ones do: Slack's incoming webhooks, and a plain webhook.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;

/// An HTTP server that keeps what it was sent. Lives as long as the test's process.
pub(crate) struct Receiver {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    kept: Kept,
}

#[derive(Clone, Default)]
struct Kept {
    slack: Arc<Mutex<Vec<Value>>>,
    webhook: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    /// Starts it.
    pub(crate) fn start() -> Receiver {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Kept::default();
        let routes = Router::new()
            .route("/services/{team}/{app}/{token}", post(slack))
            .route("/hook", post(webhook))
            .with_state(kept.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("the listener");
                axum::serve(listener, routes).await.expect("the receiver runs");
            });
        });
        Receiver { port, kept }
    }

    /// The bodies that came to the Slack webhook.
    pub(crate) fn slack(&self) -> Vec<Value> {
        self.kept.slack.lock().unwrap().clone()
    }

    /// The bodies that came to `/hook`.
    pub(crate) fn webhook(&self) -> Vec<Value> {
        self.kept.webhook.lock().unwrap().clone()
    }
}

/// As Slack answers: `ok`, `invalid_payload`, `no_text`, `invalid_blocks`; 404 for a webhook it does not know.
async fn slack(
    State(kept): State<Kept>,
    Path((team, _app, token)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    if team != "T0000" || token != "secret" {
        return (StatusCode::NOT_FOUND, "no_team");
    }
    let json = headers.get("content-type").is_some_and(|v| v.to_str().is_ok_and(|v| v.starts_with("application/json")));
    let Ok(value) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "invalid_payload");
    };
    let text = value.get("text").and_then(Value::as_str).unwrap_or("");
    let blocks = value.get("blocks").and_then(Value::as_array).map_or(0, Vec::len);
    if !json {
        return (StatusCode::BAD_REQUEST, "invalid_payload");
    }
    if text.is_empty() && blocks == 0 {
        return (StatusCode::BAD_REQUEST, "no_text");
    }
    if blocks > 50 {
        return (StatusCode::BAD_REQUEST, "invalid_blocks");
    }
    kept.slack.lock().unwrap().push(value);
    (StatusCode::OK, "ok")
}

async fn webhook(State(kept): State<Kept>, body: Bytes) -> StatusCode {
    match serde_json::from_slice(&body) {
        Ok(value) => {
            kept.webhook.lock().unwrap().push(value);
            StatusCode::OK
        }
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// A webhook receiver that can keep a sender waiting for its answer.
pub(crate) struct Slow {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    kept: Arc<Held>,
}

#[derive(Default)]
struct Held {
    hold: std::sync::atomic::AtomicBool,
    got: Mutex<Vec<(String, Value)>>,
}

impl Slow {
    /// Starts it; at first it answers at once.
    pub(crate) fn start() -> Slow {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::new(Held::default());
        let all = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = all.clone();
                std::thread::spawn(move || kept.answer(stream));
            }
        });
        Slow { port, kept }
    }

    /// Whether answers are held back from now on; those that are held come when this ends.
    pub(crate) fn hold(&self, hold: bool) {
        self.kept.hold.store(hold, std::sync::atomic::Ordering::SeqCst);
    }

    /// The bodies that came.
    pub(crate) fn got(&self) -> Vec<Value> {
        self.kept.got.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    /// The incidents' ids as the headers said them.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.kept.got.lock().unwrap().iter().map(|(id, _)| id.clone()).collect()
    }
}

impl Held {
    fn answer(&self, stream: std::net::TcpStream) {
        use std::io::{BufRead, BufReader, Read, Write};
        let Ok(writer) = stream.try_clone() else { return };
        let (mut reader, mut writer) = (BufReader::new(stream), writer);
        let (mut length, mut id) = (0, String::new());
        loop {
            let mut line = String::new();
            // The sender may go away at any moment: then there is nobody to answer.
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let (name, value) = line.split_once(':').unwrap_or((line.trim(), ""));
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "x-lapwing-incident" => id = value.trim().to_owned(),
                "" => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        self.got.lock().unwrap().push((id, serde_json::from_slice(&body).expect("JSON")));
        while self.hold.load(std::sync::atomic::Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}
