use proptest::prelude::*;

use super::*;

#[test]
fn terminals_get_no_escapes() {
    assert_eq!(terminal("a\x1b[31mred\u{202e}x\u{200b}\n\u{9b}"), "a\\x1b[31mred\\u{202e}x\\u{200b}\\n\\u{9b}");
    assert_eq!(terminal("Zoë – ok"), "Zoë – ok");
}

#[test]
fn slack_gets_neither_markup_nor_mentions() {
    assert_eq!(slack("<!channel> & `x`"), "&lt;!channel&gt; &amp; 'x'");
    assert_eq!(slack("hi @here #general"), "hi ＠here ＃general");
    assert_eq!(slack("joe@example.com /@scope/pkg"), "joe@example.com /@scope/pkg");
}

#[test]
fn html_is_text() {
    assert_eq!(html("<img src='x' onerror=\"y\">&"), "&lt;img src=&#39;x&#39; onerror=&quot;y&quot;&gt;&amp;");
}

#[test]
fn headers_are_one_bounded_line() {
    assert_eq!(header("a\r\nBcc: evil@example.com\t x\u{200b}y "), "a Bcc: evil@example.com xy");
    let long = header(&"x".repeat(5000));
    assert_eq!(long.chars().count(), HEADER_CHARS);
    assert!(long.ends_with('…'));
}

#[test]
fn clips_in_the_middle_and_never_inside_an_escape() {
    assert_eq!(clip("abcdefghij", 10), "abcdefghij");
    assert_eq!(clip("abcdefghijk", 7), "abc…ijk");
    assert_eq!(clip("äöüäöüäöü", 5), "äö…öü");
    assert_eq!(clip("ab\\x1bcdefgh", 8), "ab…fgh");
    assert_eq!(clip("abcdefgh&amp;", 8), "abcd…");
    assert_eq!((clip("abc", 0), clip("abc", 1)), (String::new(), "…".to_owned()));
}

#[test]
fn masks_keep_the_public_prefix_and_little_else() {
    assert_eq!(mask("sk_live_4eC39HqLyjWDarjtT1zd9f3a"), "sk_live_…9f3a");
    assert_eq!(mask("ghp_16C7e42F292c6912E7710c838347Ae178B4a"), "ghp_…8B4a");
    assert_eq!(mask("AKIAIOSFODNN7EXAMPLE"), "AKIA…MPLE");
    assert_eq!(mask("Bearer abcdefghijklmnopqrstuvwx"), "Bearer …uvwx");
    assert_eq!(mask("0123456789abcdef0123456789abcdef"), "0123…cdef");
    assert_eq!(mask("secret1234"), "s…34");
    assert_eq!((mask("hunter2"), mask("sk_x"), mask("")), ("…".to_owned(), "sk_…".to_owned(), "…".to_owned()));
}

#[test]
fn hashes_of_passwords_are_masked_in_samples() {
    let hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC";
    let shown = redact_line(format!("root:{hash}:19000:0:99999:7:::").as_bytes());
    assert!(shown.starts_with("root:") && shown.ends_with(":19000:0:99999:7:::"), "{shown}");
    assert!(!shown.contains("F5Jx5fExrKuPp53xLKQ") && !shown.contains("tnSYvahCwPBHKZUspmcxMfb0"), "{shown}");
    assert_eq!(redact_line(b"cost $5 and $x$y"), "cost $5 and $x$y");
}

#[test]
fn names_of_secrets_are_known_in_any_spelling() {
    for name in ["api_key", "X-API-KEY", "apikey", "key", "access_token", "Authorization", "user[password]", "sig"] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["client_id", "user", "page_token", "max_tokens", "sort_key", "monkey", "expand", "q", ""] {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn secrets_in_values_are_masked() {
    for (text, expected) in [
        ("/v1/a?x=1&api_key=0123456789abcdef&y=2", "/v1/a?x=1&api_key=01…def&y=2"),
        ("/v1/orders/1234?expand=items&page_token=abc", "/v1/orders/1234?expand=items&page_token=abc"),
        ("/go?next=%2Fx%3Fapi_key%3D0123456789abcdef%26y", "/go?next=%2Fx%3Fapi_key%3D01…def%26y"),
        ("/a?api%5Fkey=01234567%2689abcdef", "/a?api%5Fkey=012…def"),
        ("https://joe:correcthorsebattery@example.com/x", "https://joe:cor…ery@example.com/x"),
        ("/hook/sk_live_4eC39HqLyjWDarjtT1zd9f3a/x", "/hook/sk_live_…9f3a/x"),
        ("/p?api_key=%22=0123456789abc&user=ann&b=%22x", "/p?api_key=?2…abc&user=ann&b=%22x"),
        ("/p?q={%22api_key%22:%220123456789ab%22}&user=ann", "/p?q={%22api_key%22:?22…22?&user=ann"),
        ("/a?token=abcdefghijkl,mnopqrstuv;wxyz&b=1", "/a?token=abcd…wxyz&b=1"),
        ("/a;token=0123456789abcdef;b=1,c/d", "/a;token=01…def;b=1,c/d"),
        ("/v1/password:reset", "/v1/password:reset"),
        ("okhttp/4.12.0", "okhttp/4.12.0"),
    ] {
        assert_eq!(redact(text), expected);
    }
}

#[test]
fn samples_of_rejected_lines_hold_no_secret() {
    let secret = "4eC39HqLyjWDarjtT1zd9f3a";
    for line in [
        format!("GET /x?token={secret} HTTP/1.1"),
        format!("{{\"api_key\":\"{secret}\",\"n\":1"),
        format!("{{\\\"api_key\\\": \\\"{secret}\\\""),
        format!("Authorization: Bearer {secret}"),
        format!("authorization=\"Basic {secret}==\""),
        format!("\"Bearer {secret}\" 200"),
        format!("x {secret} y"),
        format!("http://u:{secret}@host/"),
        format!("a;password={secret};b"),
        format!("/x?access%255Ftoken%253D{secret}"),
        format!("eyJhbGciOiJIUzI1NiJ9.{secret}.{secret}"),
    ] {
        let shown = redact_line(line.as_bytes());
        assert!(!shown.contains("HqLyjWDarj"), "{line} -> {shown}");
    }
    assert_eq!(redact_line(b"\x1b[2Jplain line 127.0.0.1"), "\\x1b[2Jplain line 127.0.0.1");
}

proptest! {
    #[test]
    fn nothing_dangerous_comes_out(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        for safe in [terminal(&text), slack(&text), html(&text), header(&text), redact_line(&bytes)] {
            prop_assert!(!safe.chars().any(|c| c.is_control() || is_invisible(c)), "{safe:?}");
        }
        prop_assert!(!slack(&text).contains(['<', '>', '`']));
        prop_assert!(!html(&text).contains(['<', '>', '"', '\'']));
        prop_assert!(header(&text).chars().count() <= HEADER_CHARS);
    }

    #[test]
    fn clips_are_bounded_and_end_as_they_should(text in "(\\\\x1b|&amp;|\\\\u\\{202e\\}|[a-zé&\\\\]){0,80}", max in 0usize..60) {
        let clipped = clip(&text, max);
        prop_assert!(clipped.chars().count() <= max);
        let whole = [terminal(&text), text];
        if let Some((head, tail)) = clipped.split_once('…') {
            prop_assert!(whole.iter().any(|t| t.starts_with(head) && t.ends_with(tail)));
        }
    }

    #[test]
    fn masks_never_reveal_more_than_a_third(value in "\\PC{0,80}") {
        let (prefix, secret) = super::secret::split_prefix(&value);
        let masked = mask(&value);
        let rest = masked.strip_prefix(prefix).unwrap();
        let shown = rest.chars().count() - 1;
        prop_assert!(shown <= 8 && shown * 3 <= secret.chars().count());
    }

    #[test]
    fn redaction_is_total(text in "\\PC{0,200}|([a-z_]{0,6}(key|token|%253D|=|:|\"|//|@|&| |Bearer |é)){0,30}") {
        redact(&text);
        redact_line(text.as_bytes());
    }

    #[test]
    fn a_value_of_a_secret_parameter_never_survives(secret in "[A-Za-z0-9%+/=é~,;:)}]{12,60}", name in "(api_key|token|PASSWORD|x-api-key)") {
        let shown = redact(&format!("/p?a=1&{name}={secret}&b=2"));
        prop_assert!(!shown.contains(&secret));
        prop_assert!(shown.ends_with("&b=2"), "{}", shown);
    }
}
