//! JSON as servers write it, made JSON as its readers want it.

/// Escapes inside strings what JSON forbids there, and what servers write all the same: bytes that are not UTF-8 and
/// control characters (nginx `escape=json` writes the former raw), `\x22` (nginx with its default escaping around a
/// JSON-like format). `None` where nothing was to be done.
pub(super) fn repair(line: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(line.len() + 64);
    let mut changed = false;
    let mut in_string = false;
    for chunk in line.utf8_chunks() {
        let mut characters = chunk.valid().chars().peekable();
        while let Some(c) = characters.next() {
            match c {
                '"' => {
                    in_string = !in_string;
                    out.push(c);
                }
                '\\' if in_string => match characters.next() {
                    Some('x' | 'X') => {
                        out.push_str("\\u00");
                        changed = true;
                    }
                    Some(known @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u')) => {
                        out.push('\\');
                        out.push(known);
                    }
                    other => {
                        out.push_str("\\\\");
                        out.extend(other.filter(|c| !c.is_control()));
                        changed = true;
                    }
                },
                c if in_string && (c as u32) < 0x20 => {
                    push_byte(&mut out, c as u8);
                    changed = true;
                }
                c => out.push(c),
            }
        }
        for &byte in chunk.invalid() {
            push_byte(&mut out, byte);
            changed = true;
        }
    }
    changed.then_some(out)
}

fn push_byte(out: &mut String, byte: u8) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    out.push_str("\\u00");
    out.push(HEX[usize::from(byte >> 4)]);
    out.push(HEX[usize::from(byte & 15)]);
}
