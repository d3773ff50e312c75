//! The control socket: one question a line, one answer a line, both JSON. For this user and root alone (mode 0600).

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream as AsyncUnixStream};
use tokio::sync::Semaphore;

use crate::time::{Span, Timestamp};

/// A question or a wish.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// How is everything?
    Status,
    /// What is going on, and (with `all`) what was?
    Incidents {
        /// Closed ones too.
        all: bool,
        /// At most so many, newest first.
        limit: usize,
    },
    /// All about one incident.
    Incident {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Why was it told, or not? Without `what`: everything that can be explained.
    Explain {
        /// An incident's id or its beginning, or a subject's name.
        what: Option<String>,
    },
    /// Which silences hold?
    Silences,
    /// Do not tell of this for a while.
    Silence {
        /// A subject by name.
        subject: Option<String>,
        /// A detector or rule by name.
        detector: Option<String>,
        /// An incident by id.
        incident: Option<String>,
        /// Until when.
        until: Timestamp,
        /// Why.
        comment: String,
        /// A rule by name.
        #[serde(default)]
        rule: Option<String>,
        /// Who asks.
        #[serde(default)]
        author: String,
        /// Tell all the same what grows to so many times its level.
        #[serde(default)]
        times: Option<f64>,
        /// Tell all the same what has cost so much.
        #[serde(default)]
        cost: Option<f64>,
    },
    /// Something was deployed.
    Mark {
        /// What.
        what: String,
        /// When.
        at: Timestamp,
        /// By whom.
        #[serde(default)]
        author: String,
        /// Which endpoints or source it is about.
        #[serde(default)]
        subject: Option<String>,
    },
    /// What was deployed?
    Marks,
    /// Tell again.
    Unsilence {
        /// The silence's number.
        id: u64,
    },
    /// Which messages wait, and which were given up?
    Outbox,
    /// Try a message again that was given up.
    Retry {
        /// Its number.
        number: u64,
    },
}

/// Whoever can answer.
pub trait Answers: Send + Sync + 'static {
    /// The answer, or a sentence that says why there is none.
    fn answer(&self, ask: Ask) -> Result<Value, String>;
}

/// The longest question, in bytes.
const MAX_QUESTION: u64 = 64 << 10;
/// The longest answer that a client takes, in bytes.
const MAX_ANSWER: u64 = 64 << 20;
/// How many may ask at the same time.
const MAX_CLIENTS: usize = 16;
/// How long one may take to ask, and to take the answer.
const PATIENCE: Span = Span::from_secs(10);

/// Where the socket lies unless the configuration says otherwise: in systemd's runtime directory, else in the state's.
pub fn default_path(state_dir: &Path) -> PathBuf {
    match std::env::var_os("RUNTIME_DIRECTORY") {
        Some(dir) if !dir.is_empty() => {
            // Several directories are separated by colons; the first is ours.
            let first = dir.to_string_lossy().split(':').next().unwrap_or_default().to_owned();
            Path::new(&first).join("lapwing.sock")
        }
        _ => state_dir.join("lapwing.sock"),
    }
}

/// Where a client looks for it, most likely first.
pub fn likely_paths(state_dir: &Path) -> Vec<PathBuf> {
    vec![default_path(state_dir), PathBuf::from("/run/lapwing/lapwing.sock"), state_dir.join("lapwing.sock")]
}

/// Opens the socket; one that a dead daemon left behind is replaced.
///
/// # Errors
/// If another daemon answers there, or the place cannot be written to.
pub fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        bail!("another Lapwing answers at {}", path.display());
    }
    if std::fs::symlink_metadata(path).is_ok_and(|m| std::os::unix::fs::FileTypeExt::is_socket(&m.file_type())) {
        std::fs::remove_file(path).with_context(|| format!("cannot remove the old socket {}", path.display()))?;
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot open the control socket {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect the control socket {}", path.display()))?;
    Ok(listener)
}

/// Answers until the task is dropped.
pub async fn serve(listener: UnixListener, answers: Arc<dyn Answers>) {
    let clients = Arc::new(Semaphore::new(MAX_CLIENTS));
    loop {
        let Ok(permit) = clients.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let answers = answers.clone();
                tokio::spawn(async move {
                    let talk = converse(stream, answers);
                    if let Ok(Err(e)) = tokio::time::timeout(PATIENCE.to_std(), talk).await {
                        tracing::debug!(error = %e, "a control connection broke");
                    }
                    drop(permit);
                });
            }
            Err(e) => {
                tracing::warn!(error = %e, "the control socket does not accept");
                tokio::time::sleep(Span::SECOND.to_std()).await;
            }
        }
    }
}

async fn converse(stream: AsyncUnixStream, answers: Arc<dyn Answers>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    tokio::io::BufReader::new(read.take(MAX_QUESTION)).read_until(b'\n', &mut line).await?;
    let answer = match serde_json::from_slice::<Ask>(&line) {
        // Answers look into the store: not on the runtime's own threads.
        Ok(ask) => tokio::task::spawn_blocking(move || answers.answer(ask))
            .await
            .unwrap_or_else(|_| Err("the answer could not be made".to_owned())),
        Err(e) => Err(format!("the question cannot be read: {e}")),
    };
    let mut bytes = match answer {
        Ok(answer) => json!({"ok": true, "answer": answer}),
        Err(sentence) => json!({"ok": false, "error": sentence}),
    }
    .to_string()
    .into_bytes();
    bytes.push(b'\n');
    write.write_all(&bytes).await?;
    write.shutdown().await
}

/// Asks the daemon behind the first of these sockets that answers.
///
/// # Errors
/// If none answers, or the answer is a refusal.
pub fn ask(paths: &[PathBuf], ask: &Ask) -> anyhow::Result<Value> {
    let mut refused = None;
    for path in paths {
        match UnixStream::connect(path) {
            Ok(stream) => return talk(stream, ask),
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => refused = Some(path),
            Err(_) => {}
        }
    }
    if let Some(path) = refused {
        bail!("{} is only for the daemon's own user and root: try it with sudo", path.display());
    }
    bail!(
        "no running Lapwing answers at {}; is it running? (`systemctl status lapwing`)",
        paths.first().map(|p| p.display().to_string()).unwrap_or_default()
    )
}

fn talk(mut stream: UnixStream, ask: &Ask) -> anyhow::Result<Value> {
    stream.set_read_timeout(Some(PATIENCE.times(2).to_std()))?;
    stream.set_write_timeout(Some(PATIENCE.to_std()))?;
    let mut line = serde_json::to_vec(ask)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(MAX_ANSWER)).read_until(b'\n', &mut answer).context("the daemon does not answer")?;
    let mut answer: Value = serde_json::from_slice(&answer).context("the daemon's answer cannot be read")?;
    if answer["ok"] == Value::Bool(true) {
        return Ok(answer["answer"].take());
    }
    bail!("{}", answer["error"].as_str().unwrap_or("the daemon gave no reason"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Answers for Echo {
        fn answer(&self, ask: Ask) -> Result<Value, String> {
            match ask {
                Ask::Status => Ok(json!("well")),
                other => Err(format!("no answer to {other:?}")),
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn questions_are_answered_and_the_socket_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lapwing.sock");
        let server = tokio::spawn(serve(listen(&path).unwrap(), Arc::new(Echo)));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let paths = vec![dir.path().join("none"), path.clone()];
        let outcome = tokio::task::spawn_blocking(move || {
            let mut nonsense = UnixStream::connect(&path).unwrap();
            nonsense.write_all(b"nonsense\n").unwrap();
            let mut reply = String::new();
            nonsense.read_to_string(&mut reply).unwrap();
            (ask(&paths, &Ask::Status), ask(&paths, &Ask::Unsilence { id: 7 }), reply, listen(&path).is_err())
        })
        .await
        .unwrap();
        assert_eq!(outcome.0.unwrap(), json!("well"));
        assert_eq!(outcome.1.unwrap_err().to_string(), "no answer to Unsilence { id: 7 }");
        assert!(outcome.2.contains("cannot be read"), "{}", outcome.2);
        assert!(outcome.3, "a second daemon does not take the socket");
        server.abort();
    }

    #[test]
    fn without_a_daemon_the_error_says_so() {
        let error = ask(&[PathBuf::from("/nonexistent/lapwing.sock")], &Ask::Status).unwrap_err().to_string();
        assert!(error.contains("no running Lapwing answers at /nonexistent"), "{error}");
    }
}
