//! Writes small databases in MaxMind's format: a binary tree of IPv4 networks, a data section, and metadata.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A value of the format, as far as it is needed.
#[derive(Clone)]
pub(crate) enum Value {
    Text(&'static str),
    Double(f64),
    Number(u16),
    Map(Vec<(&'static str, Value)>),
}

/// A city with its coordinates and country.
pub(crate) fn city(name: &'static str, country: &'static str, latitude: f64, longitude: f64) -> Value {
    let names = |name| Value::Map(vec![("names", Value::Map(vec![("en", Value::Text(name))]))]);
    Value::Map(vec![
        ("city", names(name)),
        ("country", Value::Map(vec![("iso_code", Value::Text(country))])),
        ("location", Value::Map(vec![("latitude", Value::Double(latitude)), ("longitude", Value::Double(longitude))])),
    ])
}

/// Who runs a network.
pub(crate) fn network(number: u16, name: &'static str) -> Value {
    Value::Map(vec![
        ("autonomous_system_number", Value::Number(number)),
        ("autonomous_system_organization", Value::Text(name)),
    ])
}

/// A database of a kind with these networks, none of which holds another.
pub(crate) fn database(kind: &'static str, networks: &[(&str, Value)]) -> Vec<u8> {
    let (mut data, mut at): (Vec<u8>, BTreeMap<usize, usize>) = (Vec::new(), BTreeMap::new());
    for (index, (_, value)) in networks.iter().enumerate() {
        at.insert(index, data.len());
        write(value, &mut data);
    }
    // Nodes with two branches each: nothing, another node, or an entry.
    let mut nodes: Vec<[Branch; 2]> = vec![[Branch::Nothing; 2]];
    for (index, (text, _)) in networks.iter().enumerate() {
        let (address, length) = text.split_once('/').expect("a network");
        let bits = u32::from(address.parse::<Ipv4Addr>().expect("an address"));
        let length: u32 = length.parse().expect("a length");
        let mut node = 0;
        for depth in 0..length {
            let bit = (bits >> (31 - depth) & 1) as usize;
            if depth + 1 == length {
                nodes[node][bit] = Branch::Entry(at[&index]);
            } else if let Branch::Node(next) = nodes[node][bit] {
                node = next;
            } else {
                nodes.push([Branch::Nothing; 2]);
                nodes[node][bit] = Branch::Node(nodes.len() - 1);
                node = nodes.len() - 1;
            }
        }
    }
    let mut bytes = Vec::new();
    for node in &nodes {
        for branch in node {
            let record = match branch {
                Branch::Nothing => nodes.len(),
                Branch::Node(next) => *next,
                Branch::Entry(at) => nodes.len() + 16 + at,
            };
            bytes.extend(&(record as u32).to_be_bytes()[1..]);
        }
    }
    bytes.extend([0; 16]);
    bytes.extend(&data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::Map(vec![
        ("binary_format_major_version", Value::Number(2)),
        ("binary_format_minor_version", Value::Number(0)),
        ("database_type", Value::Text(kind)),
        ("ip_version", Value::Number(4)),
        ("record_size", Value::Number(24)),
    ]);
    let Value::Map(mut entries) = metadata else { unreachable!() };
    // Those with other types.
    let mut out = Vec::new();
    let count = entries.len() + 4;
    out.push(7 << 5 | count as u8);
    for (key, value) in entries.drain(..) {
        text(key, &mut out);
        write(&value, &mut out);
    }
    text("node_count", &mut out);
    out.push(6 << 5 | 4);
    out.extend((nodes.len() as u32).to_be_bytes());
    text("build_epoch", &mut out);
    out.extend([4, 2, 0x6a, 0, 0, 0]); // a 64-bit number in four bytes
    text("description", &mut out);
    out.push(7 << 5);
    text("languages", &mut out);
    out.extend([0, 4]); // an empty list
    bytes.extend(out);
    bytes
}

#[derive(Clone, Copy)]
enum Branch {
    Nothing,
    Node(usize),
    Entry(usize),
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(value) => text(value, out),
        Value::Double(value) => {
            out.push(3 << 5 | 8);
            out.extend(value.to_be_bytes());
        }
        Value::Number(value) => {
            out.push(5 << 5 | 2);
            out.extend(value.to_be_bytes());
        }
        Value::Map(entries) => {
            out.push(7 << 5 | entries.len() as u8);
            for (key, value) in entries {
                text(key, out);
                write(value, out);
            }
        }
    }
}

/// Text of up to 284 bytes.
fn text(value: &str, out: &mut Vec<u8>) {
    match value.len() {
        length @ 0..29 => out.push(2 << 5 | length as u8),
        length => out.extend([(2 << 5) + 29, (length - 29) as u8]),
    }
    out.extend(value.as_bytes());
}
