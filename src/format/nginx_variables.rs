//! The variables of nginx (nginx.org, "Alphabetical index of variables"; nginx Plus, ingress-nginx and the common
//! third-party modules included) with how their values look, so that unquoted ones are told from their neighbours.

/// How the values of a variable look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Digits, perhaps with a fraction.
    Number,
    /// No blanks.
    Word,
    /// One value for each upstream: `a, b : c`.
    List,
    /// Anything.
    Text,
}

use Kind::{List, Number, Text, Word};

/// By name.
#[rustfmt::skip]
const VARIABLES: &[(&str, Kind)] = &[
    ("ancient_browser", Word), ("args", Text), ("binary_remote_addr", Text), ("body_bytes_sent", Number),
    ("bytes_received", Number), ("bytes_sent", Number), ("connection", Number), ("connection_requests", Number),
    ("connection_time", Number), ("connections_active", Number), ("connections_reading", Number),
    ("connections_waiting", Number), ("connections_writing", Number), ("content_length", Number),
    ("content_type", Text), ("date_gmt", Text), ("date_local", Text), ("document_root", Text), ("document_uri", Text),
    ("fastcgi_path_info", Text), ("fastcgi_script_name", Text), ("geoip_area_code", Word), ("geoip_city", Text),
    ("geoip_city_continent_code", Word), ("geoip_city_country_code", Word), ("geoip_city_country_code3", Word),
    ("geoip_city_country_name", Text), ("geoip_country_code", Word), ("geoip_country_code3", Word),
    ("geoip_country_name", Text), ("geoip_dma_code", Word), ("geoip_latitude", Word), ("geoip_longitude", Word),
    ("geoip_org", Text), ("geoip_postal_code", Text), ("geoip_region", Word), ("geoip_region_name", Text),
    ("gzip_ratio", Number), ("host", Word), ("hostname", Word), ("http2", Word), ("http3", Word), ("https", Word),
    ("invalid_referer", Word), ("is_args", Word), ("is_request_port", Word), ("jwt_payload", Text), ("limit_rate", Word),
    ("limit_conn_status", Word), ("limit_req_status", Word), ("memcached_key", Text), ("mgmt_version", Word),
    ("mirror_uri", Text), ("modern_browser", Text), ("msec", Number), ("msie", Word), ("nginx_version", Word), ("otel_parent_id", Word),
    ("otel_parent_sampled", Word), ("otel_span_id", Word), ("otel_trace_id", Word), ("pid", Number), ("pipe", Word),
    ("prefix", Text), ("protocol", Word), ("proxy_add_x_forwarded_for", List), ("proxy_host", Word), ("proxy_port", Number),
    ("proxy_internal_body_length", Number), ("proxy_internal_chunked", Word),
    ("proxy_protocol_addr", Word), ("proxy_protocol_port", Number), ("proxy_protocol_server_addr", Word),
    ("proxy_protocol_server_port", Number), ("query_string", Text), ("quic", Word), ("realip_remote_addr", Word),
    ("realip_remote_port", Number), ("realpath_root", Text), ("remote_addr", Word), ("remote_port", Number),
    ("remote_user", Text), ("request", Text), ("request_body", Text), ("request_body_file", Text),
    ("request_completion", Word), ("request_filename", Text), ("request_id", Word), ("request_length", Number),
    ("request_method", Word), ("request_port", Number), ("request_time", Number), ("request_uri", Text), ("scheme", Word),
    ("secure_link", Text), ("secure_link_expires", Number), ("server_addr", Word), ("server_name", Word),
    ("server_port", Number), ("server_protocol", Word), ("session_log_binary_id", Text), ("session_log_id", Word),
    ("session_time", Number), ("slice_range", Text), ("spdy", Word), ("spdy_request_priority", Word),
    ("ssl_alpn_protocol", Word), ("ssl_cipher", Word), ("ssl_ciphers", Word), ("ssl_client_cert", Text),
    ("ssl_client_escaped_cert", Word), ("ssl_client_fingerprint", Word), ("ssl_client_i_dn", Text),
    ("ssl_client_i_dn_legacy", Text), ("ssl_client_raw_cert", Text), ("ssl_client_s_dn", Text),
    ("ssl_client_s_dn_legacy", Text), ("ssl_client_serial", Word), ("ssl_client_sigalg", Word), ("ssl_client_v_end", Text),
    ("ssl_client_v_remain", Number), ("ssl_client_v_start", Text), ("ssl_client_verify", Text), ("ssl_curve", Word),
    ("ssl_curves", Word), ("ssl_early_data", Word), ("ssl_ech_outer_server_name", Word), ("ssl_ech_status", Word), ("ssl_preread_alpn_protocols", Word),
    ("ssl_preread_protocol", Word), ("ssl_preread_server_name", Word), ("ssl_protocol", Word), ("ssl_server_name", Word),
    ("ssl_session_id", Word), ("ssl_session_reused", Word), ("ssl_sigalg", Word), ("ssl_sigalgs", Word), ("status", Number),
    ("tcpinfo_rcv_space", Number), ("tcpinfo_rtt", Number), ("tcpinfo_rttvar", Number), ("tcpinfo_snd_cwnd", Number),
    ("time_iso8601", Word), ("time_local", Text), ("tls_preread_server_name", Word), ("uid_got", Word), ("uid_reset", Word),
    ("uid_set", Word), ("upstream_addr", List), ("upstream_bytes_received", List), ("upstream_bytes_sent", List),
    ("upstream_cache_age", List), ("upstream_cache_key", Text), ("upstream_cache_last_modified", Text), ("upstream_cache_status", Word),
    ("upstream_connect_time", List), ("upstream_first_byte_time", List), ("upstream_header_time", List),
    ("upstream_last_addr", Word), ("upstream_last_server_name", Word), ("upstream_queue_time", List), ("upstream_response_length", List),
    ("upstream_response_time", List), ("upstream_session_time", List), ("upstream_status", List), ("uri", Text),
    // ingress-nginx sets these.
    ("the_real_ip", Word), ("proxy_upstream_name", Word), ("proxy_alternative_upstream_name", Word), ("req_id", Word),
    ("namespace", Word), ("ingress_name", Word), ("service_name", Word), ("service_port", Word), ("best_http_host", Word),
    ("pass_access_scheme", Word), ("pass_server_port", Word), ("location_path", Text), ("balancer_ewma_score", Word),
    // Modules that many builds have.
    ("brotli_ratio", Number), ("zstd_ratio", Number), ("bot_verified", Word), ("modsecurity_transaction_id", Word),
    ("opentracing_context_trace_id", Word), ("opentracing_context_span_id", Word), ("lua_balancer_name", Word),
    ("stub_status", Word), ("srcache_fetch_status", Word), ("srcache_store_status", Word), ("echo_timer_elapsed", Number),
    ("acme_certificate", Text), ("acme_certificate_key", Text), ("js_response_type", Word), ("auth_jwt_header_alg", Word),
];

/// Families: any name goes on behind these.
#[rustfmt::skip]
const FAMILIES: &[(&str, Kind)] = &[
    ("arg_", Text), ("cookie_", Text), ("http_", Text), ("sent_http_", Text), ("sent_trailer_", Text),
    ("upstream_http_", Text), ("upstream_trailer_", Text), ("upstream_cookie_", Text), ("jwt_header_", Text),
    ("jwt_claim_", Text), ("proxy_protocol_tlv_", Text), ("proxy_protocol_tlv_ssl_", Text), ("geoip2_", Text),
    ("auth_jwt_", Text), ("oidc_", Text), ("opentracing_context_", Word), ("opentelemetry_", Word),
    ("fastcgi_", Text), ("js_", Text), ("lua_", Text), ("uid_", Word), ("trailer_", Text), ("keyval_", Text),
];

/// How a variable's values look; `None` for one that nginx does not know: set by the configuration, njs or a module.
pub(super) fn kind(name: &str) -> Option<Kind> {
    let named = VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    named.or_else(|| {
        let family = FAMILIES.iter().find(|(prefix, _)| name.len() > prefix.len() && name.starts_with(prefix));
        family.map(|(_, kind)| *kind)
    })
}

/// Every variable, and one of each family.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = String> {
    let named = VARIABLES.iter().map(|(name, _)| (*name).to_owned());
    named.chain(FAMILIES.iter().map(|(prefix, _)| format!("{prefix}xyz")))
}

/// The variable that was probably meant by a name that nginx does not know: one letter changed, left out, added or
/// exchanged with its neighbour. Short names are too near to each other to tell.
pub(super) fn misspelt(name: &str) -> Option<&'static str> {
    if name.len() < 5 || kind(name).is_some() {
        return None;
    }
    VARIABLES.iter().map(|(known, _)| *known).find(|known| one_slip(name.as_bytes(), known.as_bytes()))
}

fn one_slip(a: &[u8], b: &[u8]) -> bool {
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same..], &b[same..]);
    match (a, b) {
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([x1, x2, a @ ..], [y1, y2, b @ ..]) if a == b && x1 == y2 && x2 == y1 => true,
        ([_, rest @ ..], b) if rest == b => true,
        (a, [_, rest @ ..]) if a == rest => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_once_and_families_take_any_name() {
        for (at, (name, _)) in VARIABLES.iter().enumerate() {
            assert!(VARIABLES[at + 1..].iter().all(|(other, _)| other != name), "{name} stands twice");
        }
        assert_eq!(kind("http_x_anything"), Some(Text));
        assert_eq!(kind("upstream_status"), Some(List));
        assert_eq!(kind("foobar"), None);
        assert_eq!(kind("http_"), None);
    }

    #[test]
    fn one_slip_is_found_and_two_are_not() {
        assert_eq!(misspelt("remote_adr"), Some("remote_addr"));
        assert_eq!(misspelt("reqeust_time"), Some("request_time"));
        assert_eq!(misspelt("upstream_addrs"), Some("upstream_addr"));
        assert_eq!(misspelt("remote_user_age"), None);
        assert_eq!(misspelt("request_time"), None);
        assert_eq!(misspelt("foobar"), None);
    }
}
