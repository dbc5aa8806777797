//! Masks that may come too late: made from what operations before them made of an input.

use masque_ir::ops::{Leaf, Op};
use masque_ir::program::{Program, Value};

use super::{Mask, Origin, Roots};

/// Roots in which such a mask says nothing, and callers pad the input with the number that it looks for; and the value
/// that the mask looks at, with that number. Where the value is still that number at padded positions, the mask is as
/// good as one of the input itself.
pub(in crate::liveness) fn candidates(program: &Program, roots: &Roots) -> Vec<(Roots, Value, f64)> {
    let masks = roots.masks.iter().enumerate();
    let found = masks.filter(|(_, mask)| mask.origin == Origin::Mask);
    let found = found.filter_map(|(place, mask)| {
        let (source, number) = mask.source?;
        let input = padded_input(program, roots, mask).filter(|input| *input != source)?;
        let mut other = roots.clone();
        other.masks[place] = Mask {
            origin: Origin::Late(vec![input]),
            values: vec![],
            inputs: mask.inputs.clone(),
            place: mask.place,
            source: Some((input, number)),
            exact: false,
        };
        Some((other, source, number))
    });
    found.collect()
}

/// The one input of floats that a mask is computed from, if the mask lies over its second axis and no other mask does.
fn padded_input(program: &Program, roots: &Roots, mask: &Mask) -> Option<Value> {
    let base = &roots.bases.all[mask.place.0];
    let alone = mask.inputs.len() == 1 && base.masks == 1;
    let mut inputs = program.inputs().filter(|(value, info)| {
        let leaf = matches!(program.nodes[value.node as usize].op, Op::Leaf(Leaf::Input { .. }));
        let over = info.ty.rank() > 2 && info.ty.shape[1] == base.size;
        leaf && mask.inputs.contains(&info.name) && info.ty.dtype.is_float() && over
    });
    inputs.next().map(|(value, _)| value).filter(|_| alone)
}
