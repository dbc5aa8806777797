//! The ways to fix a finding: a closed list, so that a test can ask for a followed model of each.

use serde::Serialize;

/// The ways: a word, and the sentence that is printed.
macro_rules! ways {
    ($($(#[doc = $doc:literal])* $way:ident = $name:literal: $text:literal;)*) => {
        /// A way to fix a finding, as a stable word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Way { $($(#[doc = $doc])* #[serde(rename = $name)] $way),* }

        impl Way {
            /// Every way.
            pub const ALL: &'static [Way] = &[$(Way::$way),*];

            /// The word.
            pub const fn name(self) -> &'static str {
                match self { $(Way::$way => $name),* }
            }

            /// The sentence, with the names of layers and tensors to be filled in: `{call}`, `{x}`, `{source}`.
            pub const fn text(self) -> &'static str {
                match self { $(Way::$way => $text),* }
            }
        }
    };
}

ways! {
    /// Attach the mask of another tensor to one that has none.
    Attach = "attach": "give {x} the mask: TimeDistributed(Identity()) changes no number, and its output carries the \
        mask that it is passed";
    /// An average of the valid positions.
    Average = "average": "use GlobalAveragePooling1D() in place of `{call}`: it averages the valid positions only";
    /// Do to the ids, or to what is masked, what the layer does to the embeddings.
    Before = "before": "do the same before the mask is made, in place of `{call}`: the mask then fits the new positions";
    /// A copy for an attention layer that takes masks off what it reads.
    Copy = "copy": "call `{call}` on a copy: it takes the mask off the copy, and {x} keeps its own";
    /// `Dense` for a convolution of one position.
    Dense = "dense": "use Dense in place of `{call}`: it computes the same at every position, and carries the mask";
    /// The same layer within `TimeDistributed`.
    EachStep = "each-step": "wrap `{call}` in TimeDistributed: it computes the same at every step, and carries the mask";
    /// An explicit mask for what computes with masks.
    Explicit = "explicit": "pass the mask explicitly to {x}";
    /// The layer within a wrapper.
    Inner = "inner": "use the layer inside `{call}` in its place: when the model runs, the wrapper does nothing";
    /// The masks that were meant.
    Intended = "intended": "to compile the model as it was meant, pass --masks intended; its numbers then differ from Keras'";
    /// Layers for operations.
    Layers = "layers": "use layers in place of operations: layers carry masks";
    /// Lower the padding before a maximum.
    Low = "low": "set the padding to -1e9 before `{call}`: it is then never the largest";
    /// Scores that are lowered at padded positions.
    LowScores = "low-scores": "set the scores of padded positions to -1e9 before `{call}`: they then get no weight";
    /// A mask for ids of which 0 is padding.
    MaskZero = "mask-zero": "if 0 is padding in {x}, build `{call}` with mask_zero=True";
    /// The mean of the valid positions, over several axes.
    Mean = "mean": "take the mean of the valid positions only, in place of `{call}`";
    /// Another normalization.
    Normalize = "normalize": "use LayerNormalization() in place of `{call}`: it normalizes every position by itself, and \
        carries the mask";
    /// Positions that are 0 where there is padding.
    Positions = "positions": "embed positions that are 0 where the mask is false, with mask_zero=True in `{call}`";
    /// A recurrent layer.
    Recurrent = "recurrent": "use a recurrent layer in place of `{call}`: its last output is that of the last valid position";
    /// A softmax over scores, under the mask.
    Scores = "scores": "take the Softmax of the scores {x} under the mask: padded positions then get no weight";
    /// An axis of size 1 less.
    Squeeze = "squeeze": "use ops.squeeze in place of `{call}`: every number stays at its position";
    /// Keras' numbers, all the same.
    Warn = "warn": "for Keras' numbers, padding counted as data, pass --on-unsupported-mask warn";
    /// No mask from an embedding.
    WithoutMaskZero = "without-mask-zero": "if 0 is not padding, build `{call}` with mask_zero=False";
    /// No masking layer.
    WithoutMasking = "without-masking": "if nothing is padding, leave out `{call}`";
    /// Nothing under the padding.
    Zero = "zero": "set the padding to 0 before `{call}`, by an operation, which carries no mask";
}
