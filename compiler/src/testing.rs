//! For the tests of those who have models: what masque knows about a model, as text made to be committed.
//!
//! With [insta](https://insta.rs) it is one line, and `cargo insta review` shows what changed:
//!
//! ```no_run
//! # fn in_a_test() -> Result<(), masque::Error> {
//! insta::assert_snapshot!(masque::testing::mask_table("models/tagger.keras")?);
//! # Ok(())
//! # }
//! ```
//!
//! Without it, a file beside the model will do:
//!
//! ```
//! # let folder = tempfile::tempdir().unwrap();
//! # let committed = folder.path().join("model.masks");
//! # let model = "../tests/golden/seed/stacked-gru/model.keras";
//! # std::fs::write(&committed, masque::testing::mask_table(model).unwrap()).unwrap();
//! masque::testing::assert_masks(model, committed);
//! ```

use std::path::Path;

use crate::{Error, Model, diff, table};

/// The mask table of a model file, as `masque masks MODEL --format text` prints it.
///
/// ```
/// let table = masque::testing::mask_table("../tests/golden/seed/flatten-destroys-mask/model.keras")?;
/// insta::assert_snapshot!(table, @r#"
/// call                    class                   output            status    mask
/// ids                     InputLayer              i32[B, 4]         none
/// embedding               Embedding               f32[B, 4, 3]      born      %ids != 0
/// flatten                 Flatten                 f32[B, 12]        dropped   %ids != 0
/// dense                   Dense                   f32[B, 2]         none
/// "#);
/// # Ok::<(), masque::Error>(())
/// ```
///
/// # Errors
///
/// What keeps the model from being read, or its masks from being known.
pub fn mask_table(model: impl AsRef<Path>) -> Result<String, Error> {
    Ok(table::text(Model::open(model)?.infer()?.graph()))
}

/// Demands that a model's mask table is the committed one. `masque masks MODEL --check FILE --bless` writes the file.
///
/// # Panics
///
/// If the model or the file can't be read, or the table is another; the message holds what changed.
#[track_caller]
pub fn assert_masks(model: impl AsRef<Path>, committed: impl AsRef<Path>) {
    let (model, committed) = (model.as_ref(), committed.as_ref());
    let found = mask_table(model).unwrap_or_else(|error| panic!("{error}"));
    let expected =
        std::fs::read_to_string(committed).unwrap_or_else(|error| panic!("{}: {error}", committed.display()));
    let changes = diff::lines(&expected, &found);
    let same = changes.iter().all(|change| matches!(change, diff::Change::Kept(_)));
    assert!(
        same,
        "the masks of {} are not those of {}:\n{}",
        model.display(),
        committed.display(),
        diff::render(&changes, false)
    );
}
