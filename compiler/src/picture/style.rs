//! How a picture looks: sizes, signs, colours by day and by night.

use masque_ir::facts::MaskStatus;

use super::{Change, Node, Picture, Role};
use crate::table::sign;

/// The width of a letter and the height of a line in a monospaced font of 12 units.
pub(super) const LETTER: f64 = 7.3;
pub(super) const LINE: f64 = 16.0;

/// Space between the border of a box and its text.
pub(super) const MARGIN: f64 = 9.0;

/// The longest line in a box, in letters.
const LONGEST: usize = 38;

/// Colours of masks, each for a light and a dark page; a picture with more masks uses them again.
pub(super) const COLOURS: [(&str, &str); 8] = [
    ("#0f8a5f", "#3ddc97"),
    ("#7a3fd1", "#b794f6"),
    ("#c2620a", "#f6ad55"),
    ("#0b76b8", "#63b3ed"),
    ("#b3257a", "#f687b3"),
    ("#5b7a06", "#bfe35b"),
    ("#946c00", "#ecc94b"),
    ("#00818a", "#4fd1c5"),
];

/// The lines of a box: what it is called, what it does, what it gives, and what it does with a mask.
pub(super) fn lines(picture: &Picture, node: &Node) -> Vec<String> {
    let name = picture.short_name(&node.name, node.group);
    let mut lines = vec![name.to_owned()];
    if node.role != Role::Output {
        lines.push(node.does.clone());
    }
    lines.extend(node.types.iter().take(2).cloned());
    if node.types.len() > 2 {
        lines.push(format!("and {} more", node.types.len() - 2));
    }
    if !matches!(node.status, MaskStatus::None | MaskStatus::Carried) {
        lines.push(format!("{} mask {}", sign(node.status), node.status));
    }
    match &node.change {
        Some(Change::Added) => lines.push("+ added".to_owned()),
        Some(Change::Removed) => lines.push("- removed".to_owned()),
        Some(Change::Changed(what)) => lines.push(format!("~ {what}")),
        None => {}
    }
    lines.iter().map(|line| shortened(line)).collect()
}

/// At most [`LONGEST`] letters, none that would end a line; what is left out is in the middle.
pub(super) fn shortened(line: &str) -> String {
    let letters: Vec<char> =
        line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if letters.len() <= LONGEST {
        return letters.into_iter().collect();
    }
    let (begin, end) = (&letters[..LONGEST / 2], &letters[letters.len() - (LONGEST / 2 - 1)..]);
    begin.iter().chain(&['…']).chain(end).collect()
}

/// The width and height of a box with these lines.
pub(super) fn size(lines: &[String]) -> (f64, f64) {
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    ((longest as f64 * LETTER + 2.0 * MARGIN + 4.0).ceil(), lines.len() as f64 * LINE + 10.0)
}

/// The style sheet that pictures and pages share.
pub(super) fn sheet() -> String {
    let rules = |dark: bool| {
        let colour = |(place, colours): (usize, &(&str, &str))| {
            let colour = if dark { colours.1 } else { colours.0 };
            format!(".m{place}{{--m:{colour};stroke:{colour};color:{colour}}}")
        };
        COLOURS.iter().enumerate().map(colour).collect::<String>()
    };
    format!(
        "{}{}@media (prefers-color-scheme:dark){{{}{}}}",
        include_str!("style/picture.css"),
        rules(false),
        include_str!("style/night.css"),
        rules(true)
    )
    .replace('\n', "")
}
