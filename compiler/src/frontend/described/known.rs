//! The descriptions that come with masque: layers of libraries, by the names under which Keras' files have them.

use std::collections::HashMap;
use std::sync::OnceLock;

use masque_ir::described::Description;
use masque_ir::text::parse_descriptions;

/// Layers of a library, described.
#[derive(Debug)]
pub struct Library {
    /// Its packages in the names of classes: as it is called, then as it was called.
    pub packages: &'static [&'static str],
    /// The descriptions, of classes of the first package.
    pub text: &'static str,
}

/// The libraries whose layers are described.
pub static LIBRARIES: [Library; 1] =
    [Library { packages: &["keras_hub", "keras_nlp"], text: include_str!("keras_hub.mq") }];

/// The description of a class. Nothing is read before a file names one of its library.
pub(super) fn find(class: &str) -> Option<&'static Description> {
    static READ: [OnceLock<HashMap<String, Description>>; 1] = [OnceLock::new()];
    let (package, name) = class.split_once('>')?;
    let place = LIBRARIES.iter().position(|library| library.packages.contains(&package))?;
    READ[place].get_or_init(|| LIBRARIES[place].read()).get(name)
}

impl Library {
    /// The descriptions by the name of the class in the library.
    fn read(&self) -> HashMap<String, Description> {
        let name = |class: &str| class.rsplit_once('>').map_or(class, |(_, name)| name).to_owned();
        self.descriptions().into_iter().map(|known| (name(&known.class), known)).collect()
    }

    /// All of them, by the names of their classes in the first package.
    pub fn descriptions(&self) -> Vec<Description> {
        let mut read = parse_descriptions(self.text).expect("a test reads it");
        read.sort_by(|a, b| a.class.cmp(&b.class));
        read
    }
}

#[cfg(test)]
mod tests {
    use masque_ir::text::print_descriptions;

    use super::super::Descriptions;
    use super::LIBRARIES;

    #[test]
    fn what_comes_along_is_well_formed() {
        for library in &LIBRARIES {
            Descriptions::default().add(library.text.as_bytes()).unwrap();
            let package = format!("{}>", library.packages[0]);
            let known = library.descriptions();
            assert!(known.iter().all(|description| description.class.starts_with(&package)));
            let printed = print_descriptions(&known);
            let other = printed.lines().zip(library.text.lines()).find(|(printed, line)| printed != line);
            assert!(printed == library.text, "sorted, and as it is printed: {other:?}");
        }
    }
}
