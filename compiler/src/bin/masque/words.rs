//! Words of tables and messages, for `masque explain WORD`.

/// Every word and what it means, sorted.
const WORDS: &[(&str, &str)] = &[
    ("B", "The number of examples in a batch; its size is known only when the model runs."),
    ("N", "The number of valid positions in a batch: the rows of a packed tensor."),
    (
        "T",
        "The number of steps of the longest sequence in a batch, padding included; other lengths that may differ from \
         it have names of their own.",
    ),
    ("born", "What a call did with a mask: it made one, as Embedding, Masking, or an explicit mask does."),
    ("call", "One application of a layer; a shared layer has several, which `masque masks` numbers from 0."),
    ("carried", "What a call did with a mask: it passed the mask on as it was."),
    ("changed", "What a call did with a mask: it passed on another mask, made of those that it got."),
    ("clean", "A verdict on an output: it depends on no padded position."),
    (
        "consumed",
        "What a call did with a mask: it used the mask, and its output has no steps that a mask could be about, as \
         that of an LSTM without return_sequences.",
    ),
    ("dead", "A position that no output depends on. Padding that is dead need not be computed."),
    (
        "dropped",
        "What a call did with a mask: the mask came in and does not go out, though the call did not use it up.",
    ),
    (
        "finding",
        "What a check reports: a code, the place, the path of the mask, what follows, and what to do.",
    ),
    ("leak", "A padded position on which a valid position of an output depends."),
    ("leaks", "A verdict on an output: it depends on padded positions, which two runs show."),
    ("live", "A position that some output depends on."),
    (
        "mask",
        "Which positions of a tensor are valid: truth values along its leading axes, [B, T] for a tensor [B, T, D].",
    ),
    ("none", "What a call did with a mask: nothing, for no mask came in and none goes out."),
    (
        "packed",
        "A tensor of which only the valid rows are kept, [N, D] in place of [B, T, D]; among costs, the work that is \
         left so.",
    ),
    (
        "padded",
        "A position where the mask is false: it fills a sequence up to the length of the longest one.",
    ),
    (
        "plumbing",
        "A call of an operation that makes nothing but masks. Keras writes such calls into a file; tables leave them \
         out.",
    ),
    (
        "possible",
        "A verdict on an output: it may depend on padded positions, but no two runs that show it were found.",
    ),
    (
        "unknown",
        "What a call did with a mask, or a verdict on an output: it cannot be told. A layer of an unknown class is before \
         it, or nothing says what is padding.",
    ),
    ("valid", "A position where the mask is true, or any position of a tensor without a mask."),
    ("witness", "Two runs that differ in nothing but what a leak reads, and whose answers differ."),
];

/// Meaning of a word; `None` for an unknown one.
pub(crate) fn meaning(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)
}

/// The words, sorted.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word)
}
