//! Writes what fuzzing starts from: the golden and the hostile models, whole and in parts, as files of
//! `corpus/TARGET/`, named after what they hold.

use std::fs;
use std::path::{Path, PathBuf};

use masque::diagnostics::UnsupportedMask;
use masque::{Model, Options};
use masque_fuzz::archive;
use masque_ir::text;

/// Seeds larger than this are no use: what a fuzzer does to them takes too long.
const LARGEST: usize = 48 << 10;

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = here.parent().expect("a folder below tests");
    let mut files = vec![];
    let compiler = tests.join("../compiler");
    for folder in [
        tests.join("golden"),
        tests.join("hostile"),
        compiler.join("tests/data"),
        compiler.join("src/frontend"),
    ] {
        gather(&folder, &mut files)?;
    }
    let corpus = Corpus(here.join("corpus"));
    for path in files {
        let bytes = fs::read(&path)?;
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        match ending.as_str() {
            "keras" => {
                corpus.add("archive", &bytes)?;
                for (name, content) in archive::members(&bytes).unwrap_or_default() {
                    match name.as_str() {
                        "config.json" => corpus.add("config", &content)?,
                        "model.weights.h5" => corpus.add("hdf5", &content)?,
                        _ => {}
                    }
                }
                dumps(&corpus, &path)?;
                described(&corpus, &path)?;
            }
            "json" => corpus.add("config", &bytes)?,
            "h5" | "hdf5" => corpus.add("hdf5", &bytes)?,
            "mq" => corpus.add("text", &bytes)?,
            _ => {}
        }
    }
    Ok(())
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { gather(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// The descriptions beside a model, and its text without them.
fn described(corpus: &Corpus, path: &Path) -> std::io::Result<()> {
    let Ok(layers) = fs::read_to_string(path.with_file_name("layers.mq")) else { return Ok(()) };
    let Ok(model) = Model::open(path) else { return Ok(()) };
    corpus.add("described", format!("{layers}\n{}", text::print_layers(model.graph())).as_bytes())
}

/// The model's texts, of every stage, and its plan.
fn dumps(corpus: &Corpus, path: &Path) -> std::io::Result<()> {
    let Ok(model) = Model::open(path) else { return Ok(()) };
    corpus.add("text", text::print_layers(model.graph()).as_bytes())?;
    let Ok(mut inferred) = model.infer() else { return Ok(()) };
    if inferred.load_weights().is_err() {
        return Ok(());
    }
    corpus.add("text", text::print_masks(inferred.graph()).as_bytes())?;
    let options =
        Options { on_unsupported_mask: UnsupportedMask::Drop, mask_outputs: true, ..Options::default() };
    let Ok(lowered) = inferred.lower(options) else { return Ok(()) };
    corpus.add("text", text::print_program(lowered.program(), text::ProgramStage::Tensor).as_bytes())?;
    let Ok(planned) = lowered.optimize().plan() else { return Ok(()) };
    corpus.add("text", text::print_plan(&planned.plan).as_bytes())?;
    corpus.add("plan", &postcard::to_stdvec(&planned.plan).expect("a plan can be encoded"))
}

struct Corpus(PathBuf);

impl Corpus {
    fn add(&self, target: &str, content: &[u8]) -> std::io::Result<()> {
        if content.len() > LARGEST {
            return Ok(());
        }
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        let hash = content.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        fs::write(folder.join(format!("{hash:016x}")), content)
    }
}
