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
