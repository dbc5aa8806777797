//! Text out of a file inside an error message: it stays on one line and stays short, whatever the file holds.

/// The number of characters of a foreign text that an error message repeats.
const LONGEST: usize = 120;

/// `text` in double quotes, control characters escaped, a long middle left out.
///
/// ```
/// assert_eq!(masque_runtime::quote::quoted("a\nb"), r#""a\nb""#);
/// ```
pub fn quoted(text: &str) -> String {
    let length = text.chars().count();
    if length <= LONGEST {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(LONGEST / 2).collect();
    let tail: String = text.chars().skip(length - LONGEST / 2).collect();
    format!("{:?}", format!("{head}…{tail}"))
}

/// `text` without quotes, every control character turned into a space: for messages of other libraries.
pub fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(4 * LONGEST).collect();
    line.trim().to_owned()
}

/// A line for people: an input or output with its type.
pub fn typed(name: &str, ty: &masque_ir::Type) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-./:".contains(c));
    if bare { format!("{name}: {ty}") } else { format!("{}: {ty}", quoted(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_hostile_text_stays_short_and_on_one_line() {
        let shown = quoted(&"x\n\u{1b}".repeat(10_000));
        assert!(shown.chars().count() < 10 * LONGEST, "{shown}");
        assert!(!shown.chars().any(char::is_control));
        assert_eq!(one_line("a\nb\t"), "a b");
    }
}
