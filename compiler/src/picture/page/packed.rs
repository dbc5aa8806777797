//! Data of a page, compressed where it is long.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

/// How many bytes of data stand on the page as they are.
const LONGEST: usize = 1 << 20;

/// Data as an element of the page. Nothing in it may end the element.
pub(super) fn plain(id: &str, data: &impl Serialize) -> String {
    let data = json(data).replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"{id}\">{data}</script>\n")
}

/// The same, compressed if it is long: such data is unpacked when it is looked at.
pub(super) fn packed(id: &str, data: &impl Serialize) -> String {
    let text = json(data);
    if text.len() <= LONGEST {
        return plain(id, data);
    }
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    let written = base64(&written.expect("writing to memory"));
    format!("<script type=\"application/gzip\" id=\"{id}\">{written}</script>\n")
}

fn json(data: &impl Serialize) -> String {
    serde_json::to_string(data).expect("strings and numbers")
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            (0..3).fold(0, |bits, place| bits << 8 | usize::from(group.get(place).copied().unwrap_or(0)));
        for place in 0..4 {
            text.push(match place <= group.len() {
                true => char::from(DIGITS[bits >> (18 - 6 * place) & 63]),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_digits_as_the_rfc_has_them() {
        let expected = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (length, expected) in expected.into_iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..length]), expected);
        }
    }

    #[test]
    fn long_data_is_short_on_the_page() {
        assert!(packed("a", &"<b>").contains("\\u003cb>"));
        let long = packed("a", &"b".repeat(2 * LONGEST));
        assert!(long.contains("application/gzip") && long.len() < LONGEST / 100, "{}", long.len());
    }
}
