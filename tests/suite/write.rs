//! The same traffic as logs on disk, for whoever wants to replay it: a JSON log a source, or the combined form with the
//! key as user, with what is true about it and a configuration beside them.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::actor::Call;
use super::cast::{AGENTS, ROUTES};
use super::label::Label;
use super::report::time;
use super::stage::write_address;
use super::world::{NOBODY, SOURCES, World};

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// JSON with request length and time: the form in which nothing is lost.
    Json,
    /// What nginx writes by itself: no lengths, no times.
    Combined,
}

/// Writes the logs of a world until then, `api.log` and `web.log`, into a directory; behind what is there if
/// `more`.
///
/// # Errors
/// What the file system says.
pub fn write(world: &mut World, until: i64, form: Form, folder: &Path, more: bool) -> std::io::Result<u64> {
    std::fs::create_dir_all(folder)?;
    let create = |name: &str| {
        let mut options = File::options();
        options.create(true).write(true).append(more).truncate(!more);
        options.open(folder.join(format!("{name}.log"))).map(BufWriter::new)
    };
    let mut files = [create(SOURCES[0])?, create(SOURCES[1])?];
    let (mut calls, mut lines) = (Vec::new(), 0);
    while world.now < until {
        world.minute(&mut calls);
        for call in &calls {
            let line = line(world, call, form);
            files[usize::from(call.source)].write_all(line.as_bytes())?;
            lines += 1;
        }
    }
    for mut file in files {
        file.flush()?;
    }
    Ok(lines)
}

fn line(world: &World, call: &Call, form: Form) -> String {
    let route = &ROUTES[usize::from(call.route)];
    let mut path = route.path.replace("{id}", &call.id.to_string());
    if call.query > 0 {
        let _ = write!(path, "?page={}", call.query);
    }
    let key = if call.actor == NOBODY { "" } else { world.actors[call.actor as usize].key.as_str() };
    let key = if key.is_empty() { "-" } else { key };
    let mut text = [0u8; 18];
    let n = write_address(call.client, &mut text);
    let client = std::str::from_utf8(&text[..n]).unwrap_or("-");
    let (method, agent) = (route.method.as_str(), AGENTS[usize::from(call.agent)].1);
    let (status, bytes) = (call.status, call.bytes);
    let at = lapwing::time::Timestamp::from_millis(call.time);
    match form {
        Form::Json => format!(
            "{{\"time\":\"{}\",\"remote_addr\":\"{client}\",\"remote_user\":\"{key}\",\"request\":\"{method} {path} HTTP/1.1\",\"status\":{status},\"body_bytes_sent\":{bytes},\"request_length\":{},\"request_time\":{:.3},\"http_user_agent\":\"{agent}\"}}\n",
            at.to_rfc3339_millis(),
            180 + path.len() as u32 + call.body,
            f64::from(call.ms) / 1000.0,
        ),
        Form::Combined => format!(
            "{client} - {key} [{}] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\"\n",
            at.utc().format("%d/%b/%Y:%H:%M:%S +0000"),
        ),
    }
}

/// A configuration with which they are judged as the suite judges them: its zone and its prices.
pub fn configuration() -> String {
    let mut text = String::from("timezone = \"Europe/Zurich\"\n");
    for source in SOURCES {
        let _ = write!(text, "\n[source.{source}]\npath = [\"{source}.log\"]\n");
    }
    for route in ROUTES.iter().filter(|r| r.cost > 0.0) {
        let _ = write!(text, "\n[cost.\"{}\"]\nper_request = {}\n", route.path, route.cost);
    }
    text
}

/// What is true, one line an incident.
pub fn truth(labels: &[Label]) -> String {
    let mut text = String::from("# detector\tsubject\tbegan\tended\tnotice by\tloud\tmay be told\n");
    for l in labels {
        let (began, ended, by) = (time(l.start), time(l.end), time(l.start + l.within));
        let _ = writeln!(text, "{}\t{}\t{began}\t{ended}\t{by}\t{}\t{}", l.kind, l.subjects[0], l.loud, l.optional);
    }
    text
}
