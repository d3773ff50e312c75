//! Records of lines that had to be decoded or repaired first: they must not borrow from the text they were read from.

use std::borrow::Cow;

use super::names::Names;
use super::{Record, Value};

/// The same record with every value its own; names of extra fields are kept in `names`, and `format` is the name of the
/// format that read it.
pub(super) fn own<'a>(record: Record<'_>, format: &'a str, names: &'a Names) -> Record<'a> {
    fn own<'a>(value: Option<Value<'_>>) -> Option<Value<'a>> {
        value.map(|v| Cow::Owned(v.into_owned()))
    }
    Record {
        format,
        time: record.time,
        client: own(record.client),
        forwarded_for: own(record.forwarded_for),
        user: own(record.user),
        consumer: own(record.consumer),
        api_key: own(record.api_key),
        method: own(record.method),
        target: own(record.target),
        protocol: own(record.protocol),
        odd_request: own(record.odd_request),
        status: record.status,
        bytes_out: record.bytes_out,
        bytes_in: record.bytes_in,
        duration: record.duration,
        referer: own(record.referer),
        user_agent: own(record.user_agent),
        host: own(record.host),
        request_id: own(record.request_id),
        body_digest: own(record.body_digest),
        tokens_in: record.tokens_in,
        tokens_out: record.tokens_out,
        cost: record.cost,
        model: own(record.model),
        country: own(record.country),
        extra: record
            .extra
            .into_iter()
            .filter_map(|(name, value)| Some((names.get(name)?, Cow::Owned(value.into_owned()))))
            .collect(),
    }
}
