//! Where masks hang while a model runs.
//!
//! A Keras mask is an attribute of a tensor object. Two names may stand for one object (`Dropout` at inference gives its
//! very input), and a call may change the masks of what it reads: `MultiHeadAttention` takes them off, a model inside a
//! model hangs the mask that was passed to it on the tensor it was called on. Whoever reads the tensor later sees what
//! was done to it, so the order of calls matters.

use masque_ir::facts::MaskSource;
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::MaskId;

use crate::layer::Effect;

/// A tensor of the running model, under whatever names.
type Object = usize;

/// The masks of all tensors as they stand after some calls.
///
/// Where the intended masks are asked for, every output is a tensor of its own and no call changes a mask in place.
#[derive(Clone, Debug)]
pub struct Flow {
    source: MaskSource,
    /// The tensor behind each output of each call so far.
    objects: Vec<Vec<Object>>,
    /// The mask that hangs on each tensor now.
    masks: Vec<Option<MaskId>>,
    /// The call that took the mask off each tensor last, where one did.
    taken: Vec<Option<CallId>>,
}

impl Flow {
    /// Before the first call.
    pub fn new(source: MaskSource) -> Flow {
        Flow { source, objects: vec![], masks: vec![], taken: vec![] }
    }

    /// The mask that hangs on a tensor now.
    pub fn mask(&self, tensor: TensorRef) -> Option<MaskId> {
        self.masks[self.object(tensor)]
    }

    /// The call that took the mask off a tensor that has none now.
    pub fn taken_by(&self, tensor: TensorRef) -> Option<CallId> {
        self.taken[self.object(tensor)].filter(|_| self.mask(tensor).is_none())
    }

    /// Takes note that a call may have taken the mask off a tensor.
    pub fn forget(&mut self, tensor: TensorRef, unknown: MaskId) {
        if self.source == MaskSource::Keras {
            let object = self.object(tensor);
            self.masks[object] = Some(unknown);
        }
    }

    fn object(&self, tensor: TensorRef) -> Object {
        self.objects[tensor.call.0 as usize][tensor.output as usize]
    }

    /// Takes note of one more call: what it reads as data (nothing where a conversion made a tensor of its own), the
    /// masks passed to it by hand, and the masks that its rule gives. Returns the masks of its outputs.
    pub fn call(
        &mut self,
        effect: Effect,
        data: &[Option<TensorRef>],
        by_hand: &[Option<MaskId>],
        ruled: &[Option<MaskId>],
    ) -> Vec<Option<MaskId>> {
        let read: Vec<Option<Object>> =
            data.iter().map(|tensor| tensor.map(|tensor| self.object(tensor))).collect();
        let in_place = self.source == MaskSource::Keras;
        if in_place && effect == Effect::TakesMasks {
            let call = CallId(self.objects.len() as u32);
            for &object in read.iter().flatten() {
                if self.masks[object].take().is_some() {
                    self.taken[object] = Some(call);
                }
            }
        }
        let gives = matches!(effect, Effect::GivesInputs | Effect::Wraps);
        let outputs = ruled.iter().enumerate().map(|(place, &ruled)| {
            let given = read.get(place).copied().flatten().filter(|_| gives);
            let object = given.filter(|_| in_place).unwrap_or_else(|| {
                self.masks.push(given.and_then(|given| self.masks[given]));
                self.taken.push(None);
                self.masks.len() - 1
            });
            let by_hand = by_hand.get(place).copied().flatten();
            let by_hand = by_hand.filter(|_| given.is_some() && effect == Effect::GivesInputs);
            self.masks[object] = by_hand.or(self.masks[object]).or(ruled);
            object
        });
        let outputs: Vec<Object> = outputs.collect();
        let masks = outputs.iter().map(|&object| self.masks[object]).collect();
        self.objects.push(outputs);
        masks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(call: u32) -> TensorRef {
        TensorRef { call: CallId(call), output: 0 }
    }

    #[test]
    fn masks_hang_on_tensors_not_on_names() {
        let mut flow = Flow::new(MaskSource::Keras);
        let mask = Some(MaskId(0));
        assert_eq!(flow.call(Effect::None, &[], &[], &[mask]), [mask]);
        // A second name for the first tensor; then a call that takes the mask off under that name.
        assert_eq!(flow.call(Effect::GivesInputs, &[Some(tensor(0))], &[], &[mask]), [mask]);
        assert_eq!(flow.call(Effect::TakesMasks, &[Some(tensor(1))], &[], &[mask]), [mask]);
        assert_eq!([0, 1, 2].map(|call| flow.mask(tensor(call))), [None, None, mask]);
        assert_eq!(
            [0, 1, 2].map(|call| flow.taken_by(tensor(call))),
            [Some(CallId(2)), Some(CallId(2)), None]
        );
        // Hung on again, by hand.
        flow.call(Effect::GivesInputs, &[Some(tensor(1))], &[mask], &[None]);
        assert_eq!([0, 1, 3].map(|call| flow.mask(tensor(call))), [mask, mask, mask]);
    }

    #[test]
    fn a_converted_tensor_is_another_tensor() {
        let mut flow = Flow::new(MaskSource::Keras);
        let mask = Some(MaskId(0));
        flow.call(Effect::None, &[], &[], &[mask]);
        flow.call(Effect::TakesMasks, &[None], &[], &[mask]);
        assert_eq!(flow.mask(tensor(0)), mask);
    }

    #[test]
    fn intended_masks_stay() {
        let mut flow = Flow::new(MaskSource::Intended);
        let (mask, other) = (Some(MaskId(0)), Some(MaskId(1)));
        flow.call(Effect::None, &[], &[], &[mask]);
        assert_eq!(flow.call(Effect::GivesInputs, &[Some(tensor(0))], &[other], &[None]), [other]);
        assert_eq!(flow.call(Effect::GivesInputs, &[Some(tensor(0))], &[], &[None]), [mask]);
        flow.call(Effect::TakesMasks, &[Some(tensor(0))], &[], &[mask]);
        assert_eq!([0, 1, 2].map(|call| flow.mask(tensor(call))), [mask, other, mask]);
    }
}
