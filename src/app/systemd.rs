//! What systemd is told: ready, status, reloading, stopping, and that the engine is alive. Without systemd, nothing.

use sd_notify::NotifyState;

use crate::time::Span;

fn tell(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        tracing::debug!(error = %e, "systemd cannot be told");
    }
}

/// Sources are open and the state is loaded.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// What goes on, in one line.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// Starting takes longer than usual, and it is getting on.
pub fn still_starting(text: &str, more: Span) {
    let microseconds = u32::try_from(more.millis().saturating_mul(1000)).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(microseconds), NotifyState::Status(text)]);
}

/// A new configuration is being read; [`ready`] must follow, whatever comes of it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The last cut is being made.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping: saving the state")]);
}

/// How often the watchdog wants to hear of the engine: a third of its patience. `None` if there is no watchdog.
pub fn watchdog_interval() -> Option<Span> {
    sd_notify::watchdog_enabled().map(|patience| Span::from_millis((patience.as_millis() / 3).min(60_000) as i64))
}

/// The engine is alive. Called by its own thread alone, so that a stuck engine is restarted.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}
