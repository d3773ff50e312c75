//! What a line costs at most: bytes looked at grow with the line, never with its square, whatever stands in it.

use super::*;
use crate::time::Zone;

/// What clients may repeat in a request, a header or a whole line.
const FILLERS: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"\\\"",
    b"\\\\\"",
    b"\" ",
    b"\" \"",
    b"\" \"-\" \"",
    b"\"\"",
    b" ",
    b" - ",
    b" - [",
    b"] \"",
    b"[",
    b"]",
    b"{\"a\":",
    b"{",
    b"[[",
    b"7",
    b"%25",
    b"\\x22",
    b", ",
    b" : ",
    b"\xff",
    b"\0",
];

/// How much longer the longer line is.
const TIMES: usize = 8;
/// Bytes looked at for each byte of a line, at most, in one reading by one format: places that are tried, times fields
/// that are cut for each.
const BYTES_A_BYTE: usize = 8000;

fn hostile_lines(filler: &[u8], bytes: usize) -> Vec<Vec<u8>> {
    let run = filler.repeat(bytes / filler.len());
    let clf: &[u8] = b"203.0.113.9 - - [02/Mar/2026:14:31:07 +0000] \"GET /";
    vec![
        run.clone(),
        [clf, &run].concat(),
        [clf, b"a HTTP/1.1\" 200 5 \"-\" \"", &run, b"\""].concat(),
        [clf, &run, b" HTTP/1.1\" 200 5 \"-\" \"curl\""].concat(),
        [b"203.0.113.9 - ", &run[..], b" [02/Mar/2026:14:31:07 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\""].concat(),
        [b"203.0.113.9 - - [", &run[..], b"] \"GET / HTTP/1.1\" 200 5"].concat(),
        [&run[..], b" - - [02/Mar/2026:14:31:07 +0000] \"GET / HTTP/1.1\" 200 5"].concat(),
        [b"\"", &run[..], b"\""].concat(),
        [br#"{"time":"2026-03-02T14:31:07Z","method":"GET","path":""#, &run[..], br#"","status":200}"#].concat(),
        [br#"{"time":"2026-03-02T14:31:07Z","a":"#, &run[..], b"}"].concat(),
    ]
}

#[test]
fn a_line_costs_linear_time_whatever_it_holds() {
    let pasted = r#"$remote_addr - $remote_user [$time_local] "$request" $status $upstream_addr $upstream_status $upstream_response_time "$http_user_agent" $request_time $uri$is_args$args"#;
    let mut formats: Vec<std::sync::Arc<dyn Format>> =
        Registry::built_in().unwrap().iter().map(Entry::format).collect();
    formats.push(std::sync::Arc::new(Template::new("pasted", pasted, Zone::UTC).unwrap()));
    let bytes = 1 << 10;
    let mut worst = (0, String::new());
    for filler in FILLERS {
        for (short, long) in hostile_lines(filler, bytes).iter().zip(&hostile_lines(filler, bytes * TIMES)) {
            for format in &formats {
                for is_strict in [true, false] {
                    let cost = |line: &[u8]| {
                        effort::of(|| drop(if is_strict { format.parse(line) } else { format.parse_loosely(line) }))
                    };
                    let (few, many) = (cost(short), cost(long));
                    let shown =
                        || format!("{} {:?}", format.name(), String::from_utf8_lossy(&short[..120.min(short.len())]));
                    // A place is tried more, a field is cut more: but in proportion.
                    assert!(many <= few.max(short.len()) * TIMES * 2, "{few} bytes become {many}: {}", shown());
                    assert!(many <= long.len() * BYTES_A_BYTE, "{many} bytes for {}: {}", long.len(), shown());
                    if many / long.len() > worst.0 {
                        worst = (many / long.len(), shown());
                    }
                }
            }
        }
    }
    // The count counts: some line is hard.
    assert!(worst.0 > 10, "{worst:?}");
    println!("at worst {} bytes are looked at for a byte: {}", worst.0, worst.1);
}
