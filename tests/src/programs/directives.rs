//! The form of a fixture: header, program, directives below calls.

use masque::diagnostics::{Code, UnsupportedMask};

use super::EXPECTED;

/// A fact that can stand below a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    /// `type:` of the outputs.
    Type,
    /// `mask:` of the outputs.
    Mask,
    /// `status:` what the call did with which masks.
    Status,
}

impl Directive {
    const ALL: [(&'static str, Directive); 3] =
        [("type", Directive::Type), ("mask", Directive::Mask), ("status", Directive::Status)];
}

/// One line of a program.
#[derive(Clone, Debug)]
enum Line {
    /// Something that stays as it is.
    Text(String),
    /// A fact about a call.
    Fact { call: String, name: &'static str, directive: Directive },
    /// A diagnostic of a call.
    Finding { call: String, severity: &'static str, code: String, text: String },
}

/// A file, read.
#[derive(Clone, Debug)]
pub(super) struct Fixture {
    /// What is done.
    pub(super) test: String,
    /// What becomes of masks that are not supported.
    pub(super) policy: UnsupportedMask,
    /// Name of the loss that the model is compiled with.
    pub(super) loss: Option<String>,
    /// The program without header and expectation.
    pub(super) program: String,
    /// What it becomes.
    pub(super) expected: Option<String>,
    header: String,
    lines: Vec<Line>,
}

impl Fixture {
    /// Reads a fixture.
    pub(super) fn read(text: &str) -> Result<Fixture, String> {
        let start = text.find("masque 1 ").ok_or("there is no program: a line `masque 1 layers`")?;
        let (header, rest) = text.split_at(start);
        let (program, expected) = match rest.split_once(EXPECTED) {
            Some((program, expected)) => (program, Some(expected.to_owned())),
            None => (rest, None),
        };
        let mut fixture = Fixture {
            test: String::new(),
            policy: UnsupportedMask::Error,
            loss: None,
            program: program.to_owned(),
            expected,
            header: header.to_owned(),
            lines: vec![],
        };
        for line in header.lines().filter(|line| !line.is_empty() && !line.starts_with(';')) {
            fixture.header_line(line)?;
        }
        if fixture.test.is_empty() {
            return Err("the header has no line `test NAME`".to_owned());
        }
        let mut call = None;
        for line in program.lines() {
            if let Some(name) = line.strip_prefix('%') {
                let end = name.find([',', ' ']).unwrap_or(name.len());
                call = Some(name[..end].to_owned());
            }
            fixture.lines.push(read_line(line, call.as_deref())?);
        }
        Ok(fixture)
    }

    fn header_line(&mut self, line: &str) -> Result<(), String> {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["test", name] if self.test.is_empty() => self.test = name.to_owned(),
            ["set", "on-unsupported-mask", "=", policy] => {
                self.policy = match policy {
                    "error" => UnsupportedMask::Error,
                    "warn" => UnsupportedMask::Warn,
                    "drop" => UnsupportedMask::Drop,
                    _ => return Err(format!("`{line}`: expected error, warn or drop")),
                }
            }
            ["set", "loss", "=", loss] => self.loss = Some(loss.to_owned()),
            _ => {
                return Err(format!(
                    "`{line}` is no line of a header: expected `test NAME`, `set on-unsupported-mask = …` or \
                     `set loss = …`"
                ));
            }
        }
        Ok(())
    }

    /// The diagnostics that are expected: call, severity, code.
    pub(super) fn diagnostics(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Finding { call, severity, code, .. } => Some((call.as_str(), *severity, code.as_str())),
            _ => None,
        })
    }

    /// Header and program with every fact as it is.
    pub(super) fn blessed(
        &self,
        fact: impl Fn(Directive, &str) -> Result<String, String>,
    ) -> Result<String, String> {
        let mut text = self.header.clone();
        for line in &self.lines {
            match line {
                Line::Text(line) | Line::Finding { text: line, .. } => text.push_str(line),
                Line::Fact { call, name, directive } => {
                    text.push_str(&format!("; {name}: {}", fact(*directive, call)?));
                }
            }
            text.push('\n');
        }
        Ok(text)
    }
}

/// A line of the program. A comment whose first word ends in a colon is a directive.
fn read_line(line: &str, call: Option<&str>) -> Result<Line, String> {
    let plain = Line::Text(line.to_owned());
    let Some(comment) = line.trim_start().strip_prefix(';') else { return Ok(plain) };
    let (first, rest) = comment.trim().split_once(' ').unwrap_or((comment.trim(), ""));
    let Some(word) = first.strip_suffix(':') else { return Ok(plain) };
    let call = call.ok_or_else(|| format!("`{line}` stands below no call"))?.to_owned();
    if let Some((name, directive)) = Directive::ALL.into_iter().find(|(name, _)| *name == word) {
        return Ok(Line::Fact { call, name, directive });
    }
    let severity = ["error", "warning"].into_iter().find(|severity| *severity == word);
    let severity = severity.ok_or_else(|| {
        format!("`{line}`: unknown directive: expected type, mask, status, error or warning")
    })?;
    rest.parse::<Code>().map_err(|error| format!("`{line}`: {error}"))?;
    Ok(Line::Finding { call, severity, code: rest.to_owned(), text: line.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(header: &str, line: &str) -> String {
        let program = format!("{header}\nmasque 1 layers\n%x = InputLayer()\n{line}\nreturn output_0 = %x\n");
        Fixture::read(&program).map(|_| ()).unwrap_err()
    }

    #[test]
    fn typing_errors_are_errors() {
        assert!(error("tset masks", "").contains("no line of a header"));
        assert!(
            error("test masks\nset on-unsupported-mask = wran", "").contains("expected error, warn or drop")
        );
        assert!(error("; nothing", "").contains("no line `test NAME`"));
        assert!(error("test masks", "; msak: none").contains("unknown directive"));
        assert!(error("test masks", "; error: mask-unsuported").contains("unknown code"));
        assert!(Fixture::read("test masks\n").unwrap_err().contains("no program"));
        assert!(
            Fixture::read("test masks\nmasque 1 layers\n; mask: none\n")
                .unwrap_err()
                .contains("below no call")
        );
    }
}
