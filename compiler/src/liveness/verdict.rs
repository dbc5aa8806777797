//! What is said of an output in one word, and what it rests on.

use masque_ir::plan::PaddingRead;
use masque_ir::program::Program;

use super::{Output, Padding, Together, derivation};

/// What is known of an output and the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It reads nothing of the padding that the model knows of.
    Clean,
    /// It reads padding, and two runs show it.
    Leaks,
    /// It is not proved that it reads no padding, and no runs show that it does, or only if callers pad inputs apart.
    Possible,
    /// Nothing is known to be padding: nothing is said.
    Unknown,
}

impl Verdict {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::Leaks => "leaks",
            Verdict::Possible => "possible",
            Verdict::Unknown => "unknown",
        }
    }
}

/// What the first so many outputs of a program read of the padding, as a plan says it.
pub(crate) fn read_by(program: &Program, outputs: usize) -> PaddingRead {
    let padding = Padding::of(program.clone(), &Together::default());
    let verdicts = padding.outputs.iter().take(outputs).map(|output| padding.verdict(output, true));
    let verdicts: Vec<Verdict> = verdicts.filter(|&verdict| verdict != Verdict::Clean).collect();
    match verdicts.iter().all(|&verdict| verdict == Verdict::Unknown) {
        _ if verdicts.is_empty() => PaddingRead::Nothing,
        true => PaddingRead::Unknown,
        false => PaddingRead::Some,
    }
}

impl Padding {
    /// The verdict on an output; `shown` says that runs show what it reads.
    pub fn verdict(&self, output: &Output, shown: bool) -> Verdict {
        match (output.reads.any(), shown && !output.apart) {
            (true, true) => Verdict::Leaks,
            (true, false) => Verdict::Possible,
            (false, _) if self.facts.roots.are_known() => Verdict::Clean,
            (false, _) => Verdict::Unknown,
        }
    }

    /// What every verdict rests on, sentence by sentence.
    pub fn assumptions(&self) -> Vec<String> {
        let padding = derivation::masks(self);
        if padding.is_empty() {
            return vec!["nothing is known to be padding".to_owned()];
        }
        let first = "sequences have at least one valid position, and are padded at their end".to_owned();
        std::iter::once(first).chain(padding.iter().map(|place| format!("padding is {place}"))).collect()
    }
}
