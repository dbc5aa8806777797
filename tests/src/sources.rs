//! The repository's own files, for the rules that it sets itself.

use std::fs;
use std::path::Path;

/// The folders that hold what people write.
const FOLDERS: [&str; 7] = [".github", "compiler", "docs", "examples", "ir-specs", "runtime", "tests"];

/// The endings of texts that people write; data is not held to rules of style.
const TEXTS: [&str; 8] = ["md", "py", "rs", "sh", "snap", "toml", "txt", "yml"];

/// A text of the repository.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// A function of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line where it starts, from 1.
    pub line: usize,
    /// How many lines it has, from `fn` to the brace.
    pub lines: usize,
}

/// Every text of the repository, sorted by path.
///
/// # Panics
///
/// If one can't be read.
pub fn all() -> Vec<Source> {
    let root = crate::root();
    let mut sources = vec![];
    gather(&root, &root, &mut sources);
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() > 100, "only {} sources", sources.len());
    sources
}

/// The Rust files.
pub fn rust() -> Vec<Source> {
    all().into_iter().filter(|source| source.path.ends_with(".rs")).collect()
}

fn gather(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a folder's entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wanted = if folder == root { FOLDERS.contains(&name.as_str()) } else { name != "target" };
        if path.is_dir() && wanted {
            gather(root, &path, sources);
        } else if path.is_file()
            && TEXTS.iter().any(|ending| path.extension().is_some_and(|found| found == *ending))
        {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(root).expect("a path below the root");
            sources.push(Source { path: path.to_string_lossy().replace('\\', "/"), text });
        }
    }
}

impl Source {
    /// The file's name without folder and ending.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// Every function. The text is as rustfmt leaves it, so that a function ends with a brace under its first letter.
    pub fn functions(&self) -> Vec<Function> {
        let lines: Vec<&str> = self.text.lines().collect();
        let starts = lines.iter().enumerate().filter_map(|(at, line)| Some((at, function_name(line)?)));
        let function = |(at, name): (usize, &str)| {
            let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
            let ends = |line: &str| {
                line.strip_prefix(indent)
                    .is_some_and(|rest| !rest.starts_with(' ') && (rest == "}" || rest.ends_with(';')))
            };
            let closed = lines[at].ends_with(';') || lines[at].ends_with('}');
            let length = if closed { Some(0) } else { lines[at..].iter().position(|line| ends(line)) };
            Function {
                name: name.to_owned(),
                line: at + 1,
                lines: length.unwrap_or(lines.len() - at - 1) + 1,
            }
        };
        starts.map(function).collect()
    }
}

/// The name of the function that starts on this line.
fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.trim_start().split_once("fn ")?;
    let keyword =
        |word: &str| word.starts_with("pub") || ["async", "const", "extern", "unsafe"].contains(&word);
    let starts =
        before.split_whitespace().all(|word| keyword(word) || word.starts_with('"') || word.ends_with(')'));
    let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (starts && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_with_their_length() {
        let text = "pub(crate) const fn one() {}\nimpl X {\n    fn two(\n        &self,\n    ) -> bool {\n        \
                    true\n    }\n    fn three(&self);\n}\n// fn four()\n";
        let source = Source { path: "a/b.rs".into(), text: text.into() };
        let function = |name: &str, line, lines| Function { name: name.into(), line, lines };
        assert_eq!(
            source.functions(),
            [function("one", 1, 1), function("two", 3, 5), function("three", 8, 1)]
        );
        assert_eq!(source.stem(), "b");
    }
}
