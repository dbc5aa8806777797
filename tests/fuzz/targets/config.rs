//! A config as `Model.to_json()` writes it: layers, their settings and connections, types, masks, lowering.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use masque_fuzz::{Random, json, through_the_compiler, within_budget};

fuzz_target!(|data: &[u8]| within_budget(data, |bytes| through_the_compiler("model.json", bytes)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let random = &mut Random::new(seed);
    let whole = if random.once_in(16) { None } else { json::mutate(data, size, max_size, random) };
    whole.unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});
