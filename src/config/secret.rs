//! Secrets of channels: written in place, in a file, in the environment, or handed over by systemd.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use secrecy::SecretString;

use super::load::Environment;
use crate::options::Options;

/// The largest secret file, in bytes: a secret is a line, not a log.
const MAX_BYTES: u64 = 64 << 10;

/// Reads `KEY`, `KEY_file`, `KEY_env` or `KEY_credential`: at most one of them. Files that others may read are refused.
pub(super) fn read(options: &Options<'_>, key: &str, environment: &Environment<'_>) -> Option<SecretString> {
    let places = [key.to_owned(), format!("{key}_file"), format!("{key}_env"), format!("{key}_credential")];
    let one = options.only(&places.each_ref().map(String::as_str))?;
    let text = options.text(one)?;
    let found = if one == key {
        Ok(text)
    } else if one.ends_with("_file") {
        read_file(&environment.resolve(&text), true)
    } else if one.ends_with("_env") {
        environment
            .variable(&text)
            .ok_or_else(|| (format!("the environment has no variable \"{text}\""), "set it, or use a file".to_owned()))
    } else {
        credential(&text, environment)
    };
    match found {
        Ok(secret) if !secret.trim().is_empty() => Some(SecretString::from(secret.trim().to_owned())),
        Ok(_) => {
            options.error(one, format!("the secret of \"{one}\" is empty"), "", None);
            None
        }
        Err((message, help)) => {
            options.error(one, message, "", Some(help));
            None
        }
    }
}

fn credential(name: &str, environment: &Environment<'_>) -> Result<String, (String, String)> {
    let help = || format!("add LoadCredential={name}:/path/to/file to the unit's [Service]");
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err((format!("\"{name}\" is not the name of a credential"), help()));
    }
    let Some(dir) = environment.variable("CREDENTIALS_DIRECTORY") else {
        return Err(("systemd handed over no credentials".to_owned(), help()));
    };
    // systemd's own directory is private to the service, whatever the mode of the files in it.
    read_file(&Path::new(&dir).join(name), false).map_err(|(message, _)| (message, help()))
}

/// Reads a secret's file; `private` refuses one that others may read.
fn read_file(path: &Path, private: bool) -> Result<String, (String, String)> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|e| {
        (format!("cannot read {shown}: {}", super::load::plain(&e)), "check the path and its owner".to_owned())
    })?;
    if !metadata.is_file() {
        return Err((format!("{shown} is not a file"), "name the file that holds the secret".to_owned()));
    }
    if private && metadata.mode() & 0o007 != 0 {
        return Err((
            format!("{shown} can be read by everybody on this machine (mode {:03o})", metadata.mode() & 0o777),
            format!("run: chmod o= {shown}"),
        ));
    }
    if metadata.len() > MAX_BYTES {
        return Err((
            format!("{shown} is too large for a secret"),
            "name the file that holds only the secret".to_owned(),
        ));
    }
    std::fs::read_to_string(path).map_err(|e| {
        (format!("cannot read {shown}: {}", super::load::plain(&e)), "check its mode and owner".to_owned())
    })
}
