//! Writes an access log for measurements: `cargo run --release --example access_log -- --lines 2000000 --keys 100000`.

use std::io::{BufWriter, Write};

#[path = "../benches/support/mod.rs"]
mod support;

use support::log::{Plan, write};

const USAGE: &str = "\
usage: access_log [--lines N] [--keys N] [--days D] [--seed N] [--json] [--refused] > access.log
  --json     as nginx writes JSON, instead of the combined format
  --refused  every request is answered 401";

fn main() {
    match plan(std::env::args().skip(1)) {
        Ok(plan) => {
            let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
            let written = write(&plan, &mut out).and_then(|()| out.flush());
            // Whoever reads only the beginning closes the pipe.
            if let Err(error) = written.as_ref()
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                eprintln!("access_log: {error}");
                std::process::exit(1);
            }
        }
        Err(what) => {
            eprintln!("access_log: {what}\n{USAGE}");
            std::process::exit(2);
        }
    }
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
    let mut plan = Plan::default();
    while let Some(name) = arguments.next() {
        let mut number = || {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
            value.parse::<f64>().map_err(|_| format!("{name} needs a number, found \"{value}\""))
        };
        match name.as_str() {
            "--lines" => plan.lines = number()? as usize,
            "--keys" => plan.keys = (number()? as usize).max(1),
            "--days" => plan.days = number()?,
            "--seed" => plan.seed = number()? as u64,
            "--json" => plan.json = true,
            "--refused" => plan.refused = true,
            other => return Err(format!("unknown argument \"{other}\"")),
        }
    }
    Ok(plan)
}
