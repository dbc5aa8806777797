//! A plan as a container holds it, behind its checksums: decoding, the verifier, and a run of what it lets pass.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masque_fuzz::{run, within_budget};
use masque_runtime::bundle;

/// The weights section of every plan.
static WEIGHTS: [u8; 4096] = [0; 4096];

fuzz_target!(|data: &[u8]| within_budget(data, |bytes| {
    if let Ok(plan) = bundle::decode(bytes, WEIGHTS.len() as u64) {
        run(&plan, &WEIGHTS);
    }
}));
