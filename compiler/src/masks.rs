//! The one function that applies mask rules, which masks a call sees, and on which tensors masks hang ([`Flow`]).
//!
//! Keras' order of things (3.15), for one call:
//! 1. The masks the layer computes with ([`Reads`]): what the model file stores for its `mask` argument, else, if exactly
//!    one argument holds tensors, the masks of that argument's tensors, else nothing.
//! 2. What the rule speaks of: the `mask` argument if there is one, else the first argument's own masks.
//! 3. The call itself, which may take masks off tensors or give the very tensors it got ([`Effect`]).
//! 4. The rule gives the masks of those outputs that have none yet.
//!
//! Keras 2 does otherwise in a few places; each looks at the [`Semantics`], and nothing outside this module does.

mod apply;
mod flow;
pub mod statics;

use masque_ir::facts::{Facts, MaskSource, MaskStatus};
use masque_ir::layers::{LayerGraph, TensorRef};
use masque_ir::mask::{MaskExpr, MaskId, MaskPool};
use masque_ir::ty::broadcast;
use masque_ir::{DType, Dim, Semantics, Sizes, Type};

use crate::layer::{Arguments, Effect, Kind, Layer, MaskRule, Reads};
pub use apply::{apply, unknown};
pub use flow::Flow;

/// Under whose rules masks are inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which Keras.
    pub semantics: Semantics,
    /// As it runs, or as it was meant.
    pub source: MaskSource,
}

impl Rules {
    /// Those that a graph's facts were inferred under.
    pub fn of(graph: &LayerGraph, facts: &Facts) -> Rules {
        Rules { semantics: graph.semantics, source: facts.source }
    }

    fn is_keras2(self) -> bool {
        self.semantics == Semantics::Keras2
    }

    fn is_intended(self) -> bool {
        self.source == MaskSource::Intended
    }
}

/// Does a layer support masks?
pub fn supports(semantics: Semantics, layer: &dyn Layer) -> bool {
    match semantics {
        Semantics::Keras2 => layer.masking().supported_in_keras2,
        Semantics::Keras3_15 => layer.masking().supported,
    }
}

/// Which masks a layer computes with; its lowering finds them in [`Arguments::mask`] and [`Arguments::mask_of`].
pub fn reads(layer: &dyn Layer) -> Reads {
    let has_argument = || layer.signature().parameters.contains(&"mask");
    let by_parameters = || if has_argument() { Reads::Argument } else { Reads::Nothing };
    layer.masking().reads.unwrap_or_else(by_parameters)
}

/// Does a mask change what a layer computes at inference?
pub fn uses(layer: &dyn Layer) -> bool {
    layer.masking().used_at_inference && reads(layer) != Reads::Nothing
}

/// Does a layer lose masks that it would keep today? Operations give the very tensor they get, whoever asks.
fn loses(semantics: Semantics, layer: &dyn Layer) -> bool {
    semantics == Semantics::Keras2 && layer.kind() != Kind::Operation && !supports(semantics, layer)
}

/// The rule of a layer.
pub fn rule(rules: Rules, layer: &dyn Layer, types: &Arguments<Type>) -> MaskRule {
    let masks = layer.call_masks(types);
    let rule = match masks.intended {
        Some(intended) if rules.is_intended() => intended,
        _ => masks.rule,
    };
    match rule {
        MaskRule::Keep if loses(rules.semantics, layer) => MaskRule::Lost,
        rule => rule,
    }
}

/// What a call does to the tensors that it gets.
pub fn effect(rules: Rules, layer: &dyn Layer, types: &Arguments<Type>) -> Effect {
    if loses(rules.semantics, layer) { Effect::None } else { layer.call_masks(types).effect }
}

/// The masks of one call on its way in.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// What the rule speaks of, one entry for each tensor of the first argument.
    pub previous: Vec<Option<MaskId>>,
    /// The same for every tensor that the call reads as data; masks passed by hand stand in for the tensors' own.
    pub all: Vec<Option<MaskId>>,
    /// What is passed by hand beside.
    pub pairs: Pairs,
}

/// Masks passed to an attention layer by hand that stand for none of its tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pairs {
    /// For each position of the query those of the value that it may see.
    pub both: Option<MaskId>,
    /// For the key, where the value is the key as well.
    pub key: Option<MaskId>,
}

/// Finds the masks that a call sees. `own_mask` is the mask that hangs on a tensor, `made_with` that which it had when it
/// was made, `mask_of` the symbolic mask that a
/// tensor passed as one is.
pub fn incoming(
    rules: Rules,
    layer: &dyn Layer,
    arguments: &Arguments<TensorRef>,
    own_mask: impl Fn(TensorRef) -> Option<MaskId>,
    made_with: impl Fn(TensorRef) -> Option<MaskId>,
    mask_of: impl Fn(TensorRef) -> MaskId,
) -> Incoming {
    let own = |tensors: &[TensorRef]| tensors.iter().map(|&tensor| own_mask(tensor)).collect::<Vec<_>>();
    let by_hand = explicit(rules, layer, arguments);
    let previous = match arguments.explicit_masks() {
        Some(masks) => masks.into_iter().map(|mask| mask.map(|&mask| mask_of(mask))).collect(),
        None => own(arguments.data()),
    };
    let all = match layer.signature().received {
        // A custom layer has its masks from before its body ran.
        Some(parameter) if layer.kind() == Kind::Described => {
            arguments.tensors(parameter).iter().map(|&tensor| made_with(tensor)).collect()
        }
        Some(parameter) => own(arguments.tensors(parameter)),
        None => {
            let data = arguments.data_parameters();
            let tensors = data.iter().flat_map(|name| arguments.tensors(name));
            let first = arguments.data().len();
            let mask = |(place, &tensor): (usize, &TensorRef)| match by_hand.get(place).copied().flatten() {
                Some(mask) => Some(mask_of(mask)),
                None if place < first => previous.get(place).copied().flatten(),
                None => own_mask(tensor),
            };
            tensors.enumerate().map(mask).collect()
        }
    };
    let passed = |name: &str| arguments.tensors(name).first().map(|&mask| mask_of(mask));
    let key = if arguments.tensors("key").is_empty() { passed("key_mask") } else { None };
    Incoming { previous, all, pairs: Pairs { both: passed("attention_mask"), key } }
}

/// The tensors passed by hand as masks of what a call reads as data, in order; nothing where the tensors' own masks
/// count. Empty if nothing was passed.
pub fn explicit(rules: Rules, layer: &dyn Layer, arguments: &Arguments<TensorRef>) -> Vec<Option<TensorRef>> {
    match reads(layer) {
        Reads::Each { always_own } => {
            let given = |name: &str| {
                let mask = arguments.tensors(&format!("{name}_mask")).first().copied();
                mask.filter(|_| rules.is_intended() || !always_own.contains(&name))
            };
            arguments.data_parameters().into_iter().map(given).collect()
        }
        _ => {
            let masks = arguments.explicit_masks().unwrap_or_default();
            masks.into_iter().map(Option::<&TensorRef>::copied).collect()
        }
    }
}

/// The masks that a call computes with, of `all` that it sees: one for each tensor that it reads as data, in order;
/// fewer or none where it does not look.
pub fn used(
    rules: Rules,
    layer: &dyn Layer,
    arguments: &Arguments<TensorRef>,
    all: &[Option<MaskId>],
) -> Vec<Option<MaskId>> {
    let first = || all[..arguments.data().len().min(all.len())].to_vec();
    match reads(layer) {
        Reads::Nothing => vec![],
        // The merging layers of Keras 2 compute without masks.
        Reads::Own if rules.is_keras2() => vec![],
        Reads::Own => first(),
        Reads::Argument if rules.is_keras2() => first(),
        Reads::Each { .. } => all.to_vec(),
        // Keras fills the argument only where a single one holds tensors: a recurrent layer with initial states gets no
        // mask but one passed by hand.
        Reads::Argument => {
            let looks = rules.is_intended()
                || arguments.explicit_masks().is_some()
                || arguments.data_parameters().len() == 1;
            if looks { first() } else { vec![] }
        }
    }
}

/// The masks of which a mask is the `and`; itself if it is none.
pub fn conjuncts(pool: &MaskPool, mask: MaskId) -> Vec<MaskId> {
    match pool.get(mask) {
        MaskExpr::And(parts) => parts.iter().flat_map(|&part| conjuncts(pool, part)).collect(),
        _ => vec![mask],
    }
}

/// What a call did with the masks that came in.
pub fn status(rule: &MaskRule, incoming: &[Option<MaskId>], outgoing: &[Option<MaskId>]) -> MaskStatus {
    let came = incoming.iter().any(Option::is_some);
    let first = outgoing.iter().flatten().next();
    if first.is_some() && *rule == MaskRule::Unknown {
        return MaskStatus::Unknown;
    }
    match (came, first) {
        (false, None) => MaskStatus::None,
        (false, Some(_)) => MaskStatus::Born,
        (true, Some(_)) if outgoing.iter().flatten().all(|mask| incoming.contains(&Some(*mask))) => {
            MaskStatus::Carried
        }
        (true, Some(_)) => MaskStatus::Changed,
        (true, None) if matches!(rule.of_output(0), MaskRule::Ends) => MaskStatus::Consumed,
        (true, None) => MaskStatus::Dropped,
    }
}

/// The type of a mask, given the types of tensors. Parts stand before what is made of them, and each is looked at once:
/// masks share parts.
pub fn type_of(pool: &MaskPool, mask: MaskId, tensor: &impl Fn(TensorRef) -> Type) -> Type {
    let mut types: Vec<Type> = vec![];
    for place in 0..=mask.0 {
        let ty = type_by_parts(pool, MaskId(place), tensor, &|part| types[part.0 as usize].clone());
        types.push(ty);
    }
    types.swap_remove(mask.0 as usize)
}

/// The type of a mask, given the types of tensors, and of the masks it is made of.
pub fn type_by_parts(
    pool: &MaskPool,
    mask: MaskId,
    tensor: &impl Fn(TensorRef) -> Type,
    part: &impl Fn(MaskId) -> Type,
) -> Type {
    let part = |id: &MaskId| part(*id).shape;
    let shape = match pool.get(mask) {
        MaskExpr::Tensor(x) | MaskExpr::NotEqual(x, _) => tensor(*x).shape,
        MaskExpr::Not(inner) | MaskExpr::Reverse(_, inner) => part(inner),
        MaskExpr::AnyLast(inner) => {
            let mut shape = part(inner);
            shape.pop();
            shape
        }
        MaskExpr::Expand(axis, inner) => {
            let mut shape = part(inner);
            let place = shape.len().min(*axis as usize);
            shape.insert(place, Dim::constant(1));
            shape
        }
        MaskExpr::Band(_, rows, columns) => {
            let steps = |x: &TensorRef| tensor(*x).shape.into_iter().nth(1);
            [Some(Dim::constant(1)), steps(rows), steps(columns)].into_iter().flatten().collect()
        }
        MaskExpr::Or(parts) | MaskExpr::And(parts) => {
            parts.iter().map(part).fold(Sizes::default(), |all, shape| {
                let wider = if all.len() > shape.len() { all.clone() } else { shape.clone() };
                broadcast(&all, &shape).unwrap_or(wider)
            })
        }
        MaskExpr::Ones(x, rank) | MaskExpr::Zeros(x, rank) | MaskExpr::Unknown(x, rank) => {
            tensor(*x).shape.into_iter().take(*rank as usize).collect()
        }
        MaskExpr::Spread(_, x) => tensor(*x).shape.into_iter().take(pool.rank(mask) as usize).collect(),
        MaskExpr::Fold(inner) => match part(inner).as_slice() {
            [batch, steps, rest @ ..] => std::iter::once(batch * steps).chain(rest.iter().cloned()).collect(),
            shape => shape.iter().cloned().collect(),
        },
        MaskExpr::Unfold(inner, x) => {
            tensor(*x).shape.into_iter().take(2).chain(part(inner).into_iter().skip(1)).collect()
        }
        MaskExpr::Concat(axis, parts) => {
            let mut shapes = parts.iter().map(part);
            let mut all = shapes.next().unwrap_or_default();
            for shape in shapes {
                if let (Some(size), Some(more)) = (all.get_mut(*axis as usize), shape.get(*axis as usize)) {
                    *size = &*size + more;
                }
            }
            all
        }
    };
    Type::new(DType::Bool, shape)
}

/// The tensors whose values decide a mask, in order, each once.
pub fn sources(pool: &MaskPool, mask: MaskId) -> Vec<TensorRef> {
    let mut found = vec![];
    let mut seen = std::collections::HashSet::new();
    let mut open = vec![mask];
    while let Some(mask) = open.pop() {
        if !seen.insert(mask) {
            continue;
        }
        match pool.get(mask) {
            MaskExpr::Tensor(tensor) | MaskExpr::NotEqual(tensor, _) if !found.contains(tensor) => {
                found.push(*tensor)
            }
            expression => open.extend_from_slice(expression.parts()),
        }
    }
    found.sort();
    found
}
