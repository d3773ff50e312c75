//! The compilers of log formats, each dialect: whatever is pasted, a format that reads lines or an error that points.
#![cfg_attr(fuzzing, no_main)]

use lapwing::format::{Format, Syntax, Template};
use lapwing::time::Zone;

/// Lines that any compiled format is tried on, beside its own text.
const LINES: [&[u8]; 3] = [
    br#"203.0.113.9 - acme [02/Mar/2026:14:31:07 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl" 0.031"#,
    b"1772461867.031|203.0.113.9|GET|/a|200",
    b"",
];

/// One input: the first byte says whose format it is, the rest is the format.
pub fn run(data: &[u8]) {
    let Some((which, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let names: Vec<&str> = Syntax::names().collect();
    // One more than there are: found out by its looks.
    let syntax = names.get(usize::from(*which) % (names.len() + 1)).and_then(|name| Syntax::parse(name));
    match Template::with_syntax("pasted", syntax, &text, Zone::UTC) {
        Ok(template) => {
            assert!(template.warnings().iter().all(|warning| !warning.is_empty()));
            for line in LINES.into_iter().chain([text.as_bytes()]) {
                for outcome in [template.parse(line), template.parse_loosely(line)] {
                    if let Err(reject) = outcome {
                        assert!((1..=line.len() + 1).contains(&(reject.column as usize)), "{reject:?}");
                    }
                }
            }
        }
        Err(error) => {
            assert!(!error.message.is_empty(), "an error says why");
            if let Some(span) = &error.span {
                assert!(text.get(span.clone()).is_some(), "{span:?} is no place in {text:?}");
                assert!(error.position(&text).is_some_and(|(line, column)| line >= 1 && column >= 1));
            }
        }
    }
}

/// Where inputs begin: a format of each server, told and to be found out.
#[allow(dead_code)]
pub fn seeds() -> Vec<Vec<u8>> {
    let formats = [
        ("nginx", "log_format main escape=json '$remote_addr - ${remote_user} [$time_local] \"$request\" '\n  '$status $body_bytes_sent'; # sizes"),
        ("nginx", "$msec $scheme://$host$uri$is_args$args $request_method $status [$remote_addr]:$remote_port $upstream_response_time"),
        ("apache", "LogFormat \"%h %l %u %{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t \\\"%r\\\" %>s %b \\\"%{Referer}i\\\" %!200,304{X-A}o %D\" timed"),
        ("lighttpd", "accesslog.format = \"%h %V %u %t \\\"%r\\\" %>s %b\""),
        ("varnish", "varnishncsa -F '%h %l %u %t \"%r\" %s %b %{Varnish:time_firstbyte}x'"),
        ("tomcat", "pattern=\"%h %l %u %{yyyy-MM-dd'T'HH:mm:ss.SSSZ}t &quot;%r&quot; %s %b %D\""),
        ("tomcat9", "%h %t \"%r\" %s %D %F %S"),
        ("jetty", "%{client}a - %u %{dd/MMM/yyyy:HH:mm:ss ZZZ|GMT}t \"%r\" %s %O"),
        ("haproxy", "log-format \"%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %{+Q}r %[var(txn.pool),lower]\""),
        ("squid", "logformat squid %ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt"),
        ("envoy", "[%START_TIME(%Y-%m-%dT%H:%M:%S.%3f)%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %DURATION%"),
        ("gunicorn", "access_log_format = '%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s %({x-id}i)s %(D)s'"),
        ("uwsgi", "[pid: %(pid)] %(addr) () {%(vars) vars} [%(ctime)] %(method) %(uri) => %(rsize) bytes in %(msecs) msecs %(status)"),
    ];
    let names: Vec<&str> = Syntax::names().collect();
    let told = formats.iter().filter_map(|(name, text)| Some((names.iter().position(|n| n == name)?, *text)));
    let found_out = formats.iter().map(|(_, text)| (names.len(), *text));
    told.chain(found_out).map(|(which, text)| [&[which as u8], text.as_bytes()].concat()).collect()
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
