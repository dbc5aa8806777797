//! Which modules of a package import which, so that a rule about it can be a test.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

use crate::sources::Source;

/// What the modules at the top of a package import of each other: for each pair the files that do it.
#[derive(Clone, Debug, Default)]
pub struct Imports(BTreeMap<(String, String), BTreeSet<String>>);

impl Imports {
    /// Those of the files in a folder, as `crate::` paths name them; tests and programs are left out.
    pub fn of(folder: &str, sources: &[Source]) -> Imports {
        let inside: Vec<(&str, &Source)> = sources
            .iter()
            .filter_map(|source| Some((source.path.strip_prefix(folder)?.strip_prefix('/')?, source)))
            .filter(|(path, _)| path.ends_with(".rs") && !path.starts_with("bin/") && !path.contains("tests"))
            .collect();
        let modules: BTreeSet<&str> = inside.iter().map(|(path, _)| module(path)).collect();
        let mut imports = Imports::default();
        for (path, source) in inside {
            let from = module(path);
            for to in named(&source.text).filter(|to| *to != from && modules.contains(to)) {
                let files = imports.0.entry((from.to_owned(), to.to_owned())).or_default();
                files.insert(source.path.clone());
            }
        }
        imports
    }

    /// Takes an import away; was it there?
    pub fn excuse(&mut self, from: &str, to: &str) -> bool {
        self.0.remove(&(from.to_owned(), to.to_owned())).is_some()
    }

    /// The imports that are part of a circle, a line for each.
    pub fn circles(&self) -> Vec<String> {
        let names: BTreeSet<&str> =
            self.0.keys().flat_map(|(from, to)| [from.as_str(), to.as_str()]).collect();
        let mut graph = DiGraph::<&str, ()>::new();
        let nodes: BTreeMap<&str, _> = names.into_iter().map(|name| (name, graph.add_node(name))).collect();
        for (from, to) in self.0.keys() {
            graph.add_edge(nodes[from.as_str()], nodes[to.as_str()], ());
        }
        let circles = tarjan_scc(&graph);
        let together = |from: &str, to: &str| {
            circles.iter().any(|circle| circle.contains(&nodes[from]) && circle.contains(&nodes[to]))
        };
        let parts = self.0.iter().filter(|((from, to), _)| together(from, to));
        parts.map(|((from, to), files)| format!("{from} imports {to}: {files:?}")).collect()
    }
}

fn module(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap_or_default()
}

/// The modules that paths of a text name behind `crate::`, but for what follows `#[cfg(test)]`.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("//"));
    let starts = lines
        .flat_map(|line| line.match_indices("crate::").map(move |(at, found)| &line[at + found.len()..]));
    let starts: Vec<&str> = starts.collect();
    // Of a list in braces what is named follows each comma outside of inner braces, which may be on other lines.
    starts.into_iter().flat_map(move |rest| {
        let at = rest.as_ptr() as usize - text.as_ptr() as usize;
        members(&text[at..])
    })
}

fn members(text: &str) -> Vec<&str> {
    let word = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if !text.starts_with('{') {
        return vec![&text[..word(text)]];
    }
    let (mut depth, mut found) = (0, vec![]);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (c == ',' || c == '{') {
            let next = text[at + 1..].trim_start();
            found.extend(Some(&next[..word(next)]).filter(|word| !word.is_empty()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Imports, Source, named};

    #[test]
    fn modules_are_named_alone_and_in_lists() {
        let text = "//! crate::no\nuse crate::a::B;\nuse crate::{\n    c::{D, e::F},\n    g,\n};\nfn x() { crate::h::y() }\n#[cfg(test)]\nuse crate::t;\n";
        assert_eq!(named(text).collect::<Vec<_>>(), ["a", "c", "g", "h"]);
    }

    #[test]
    fn circles_are_found_and_excused() {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let sources = [
            source("p/src/a.rs", "use crate::b;"),
            source("p/src/b/inner.rs", "use crate::c;"),
            source("p/src/c.rs", "use crate::a; use crate::d;"),
            source("p/src/d.rs", "use std::fmt;"),
        ];
        let mut imports = Imports::of("p/src", &sources);
        assert_eq!(imports.circles().len(), 3, "{:?}", imports.circles());
        assert!(imports.excuse("c", "a") && !imports.excuse("c", "a"));
        assert_eq!(imports.circles(), Vec::<String>::new());
    }
}
