//! Real servers on loopback ports, each with everything it needs in a folder of the test.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::machine::{Running, free_port, program, wait_for, wait_for_port};
use super::tree;

/// nginx that logs in the combined format and believes `X-Forwarded-For` from the loopback interface.
pub(crate) struct Nginx {
    server: Running,
    folder: PathBuf,
    port: u16,
}

impl Nginx {
    /// Starts it with its log at `folder/logs/access.log`.
    pub(crate) fn start(folder: &Path) -> Nginx {
        let port = free_port();
        let text = format!(
            r#"daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx.errors;
events {{ worker_connections 256; }}
http {{
    access_log {dir}/logs/access.log combined;
    set_real_ip_from 127.0.0.0/8;
    real_ip_header X-Forwarded-For;
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    server {{
        listen 127.0.0.1:{port};
        # No authentication of its own: $remote_user is what the Authorization header says.
        location /v1/ {{ return 200 '{{"orders":[]}}'; }}
        location / {{ return 404; }}
    }}
}}
"#,
            dir = folder.display(),
        );
        std::fs::create_dir_all(folder.join("logs")).unwrap();
        let config = folder.join("nginx.conf");
        // As root, nginx would hand its files to `nobody`, who may not enter the test's folder.
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        std::fs::write(&config, format!("{user}{text}")).unwrap();
        let mut command = Command::new(program("nginx").expect("nginx"));
        command.arg("-p").arg(folder).arg("-c").arg(&config).arg("-e").arg(folder.join("nginx.errors"));
        let server = Running::start("nginx", &mut command, folder);
        wait_for_port("nginx", port);
        Nginx { server, folder: folder.to_owned(), port }
    }

    /// Its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("logs/access.log")
    }

    /// One request by `key` from `client`; the answer must be 200.
    pub(crate) fn request(&mut self, key: &str, client: &str, target: &str, agent: &str) {
        self.server.must_run();
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {}\r\nX-Forwarded-For: {client}\r\n\
             User-Agent: {agent}\r\nConnection: close\r\n\r\n",
            base64(format!("{key}:secret").as_bytes()),
        );
        let answer = exchange(([127, 0, 0, 1], self.port).into(), &request);
        assert!(answer.starts_with("HTTP/1.1 200"), "{target}: {answer}");
    }

    /// Rotates its log with the real logrotate, which tells nginx to open the new file.
    pub(crate) fn rotate(&self) {
        let text = format!(
            "{log} {{\n    rotate 9\n    create 0644\n    missingok\n    sharedscripts\n    postrotate\n        \
             kill -USR1 $(cat {dir}/nginx.pid)\n    endscript\n}}\n",
            log = self.log().display(),
            dir = self.folder.display(),
        );
        let config = self.folder.join("logrotate.conf");
        std::fs::write(&config, text).unwrap();
        let done = Command::new(program("logrotate").expect("logrotate"))
            .args(["--force", "--state"])
            .arg(self.folder.join("logrotate.state"))
            .arg(&config)
            .output()
            .expect("logrotate starts");
        assert!(done.status.success(), "logrotate: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// An SMTP server that wants STARTTLS and a log-in, with a certificate of the test's own authority.
pub(crate) struct MailServer {
    _server: Running,
    folder: PathBuf,
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    /// The authority that clients must trust.
    pub(crate) authority: PathBuf,
}

impl MailServer {
    /// The only account.
    pub(crate) const USER: &str = "lapwing";
    /// Its password.
    pub(crate) const PASSWORD: &str = "correct-horse-battery";

    /// Starts it; mails go to `folder/mails`.
    pub(crate) fn start(folder: &Path) -> MailServer {
        let mails = folder.join("mails");
        std::fs::create_dir_all(&mails).unwrap();
        let (authority, certificate, key) = certificates(folder);
        let port = free_port();
        let mut command = Command::new("/usr/bin/python3"); // the one that Debian's aiosmtpd is installed for
        command.arg(tree::repository().join("tests/support/mail_server.py"));
        command.arg(port.to_string()).arg(&mails).arg(certificate).arg(key).args([Self::USER, Self::PASSWORD]);
        let mut server = Running::start("mail-server", &mut command, folder);
        wait_for("the mail server listens", Duration::from_secs(20), || {
            server.must_run();
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        MailServer { _server: server, folder: mails, port, authority }
    }

    /// Whether its packages are there.
    pub(crate) fn installed() -> bool {
        Command::new("/usr/bin/python3").args(["-c", "import aiosmtpd"]).output().is_ok_and(|o| o.status.success())
    }

    /// The mails received so far, oldest first.
    pub(crate) fn mails(&self) -> Vec<String> {
        tree::files_under(&self.folder)
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "eml"))
            .map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())
            .collect()
    }
}

/// Makes an authority and a certificate for `localhost`: (authority, certificate, key).
fn certificates(folder: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let at = |name: &str| folder.join(name);
    std::fs::write(at("extensions"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    let mut steps = String::new();
    let _ = write!(
        steps,
        "set -e; cd '{}'; new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n\
         $new -x509 -days 2 -subj /CN=test-authority -keyout authority.key -out authority.pem\n\
         $new -subj /CN=localhost -keyout mail.key -out mail.csr\n\
         openssl x509 -req -in mail.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
         -extfile extensions -out mail.pem",
        folder.display(),
    );
    let done = Command::new("sh").args(["-c", &steps]).output().expect("sh starts");
    assert!(done.status.success(), "openssl: {}", String::from_utf8_lossy(&done.stderr));
    (at("authority.pem"), at("mail.pem"), at("mail.key"))
}

/// Sends a request and reads until the server closes.
fn exchange(address: SocketAddr, request: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).expect("the server takes connections");
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).expect("the request goes out");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer comes");
    String::from_utf8_lossy(&answer).into_owned()
}

/// RFC 4648 base64, for basic authentication.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let value = group.iter().fold(0u32, |v, b| v << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = DIGITS[(value >> (18 - 6 * i) & 63) as usize] as char;
            out.push(if i <= group.len() { digit } else { '=' });
        }
    }
    out
}
