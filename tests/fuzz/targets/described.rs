//! Descriptions of custom layers, and behind them the text of a model that has such layers: read, put in the place of the
//! layers, types, masks, lowering.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masque_fuzz::{with_descriptions, within_budget};

fuzz_target!(|data: &[u8]| within_budget(data, with_descriptions));
