//! How channels are doing, as `lapwing status` and the other channels tell it.

use serde::Serialize;

use super::{Channel, ChannelKind};
use crate::event::Severity;
use crate::notice::{Notice, NoticeType, own};
use crate::time::Timestamp;

/// How a channel is doing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ChannelState {
    /// The last message was accepted, or none was tried yet.
    #[default]
    Ok,
    /// Something failed; tried again at this time.
    Waiting {
        /// By the wall clock.
        until: Timestamp,
        /// What failed.
        because: String,
    },
    /// Broken until somebody repairs it; tried every hour.
    Broken {
        /// By the wall clock.
        since: Timestamp,
        /// What was answered.
        because: String,
    },
}

/// What `lapwing status` shows of a channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChannelStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Its kind.
    pub kind: ChannelKind,
    /// Whether it works.
    #[serde(flatten)]
    pub state: ChannelState,
    /// Messages waiting.
    pub queued: usize,
    /// When the oldest of them was decided.
    pub oldest: Option<Timestamp>,
    /// When it last accepted one.
    pub last_delivered: Option<Timestamp>,
    /// How many it accepted in all.
    pub delivered: u64,
}

/// The notice about a channel itself.
pub(super) fn about_channel(
    channel: &Channel,
    since: Timestamp,
    now: Timestamp,
    kind: NoticeType,
    why: &str,
) -> Notice {
    let name = &channel.name;
    let over = kind == NoticeType::Resolved;
    let (title, summary) = if over {
        (
            format!("Channel {name} delivers again"),
            format!("The {} channel {name} accepts messages again; what waited for it is on its way.", channel.kind),
        )
    } else {
        (
            format!("Channel {name} is broken: alerts do not arrive there"),
            format!(
                "The {} channel {name} refuses messages for good: {why}. Alerts for it are kept for 72 hours and tried \
                 every hour.",
                channel.kind
            ),
        )
    };
    let actions = if over {
        Vec::new()
    } else {
        vec![
            format!("Repair [channel.{name}] in the configuration and reload"),
            "Check it with: lapwing check --send".to_owned(),
        ]
    };
    let words = own::Words { title, summary, actions };
    let notice = own::notice(&format!("channel-{name}"), Severity::Critical, since, now, kind, words);
    Notice { rule: "channel-broken".to_owned(), ..notice }
}
