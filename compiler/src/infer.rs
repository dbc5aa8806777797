//! Inference: types and masks of every tensor, call by call, before anything runs.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use masque_ir::facts::{CallFact, Facts, MaskSource, TensorFact, WeightDecl};
use masque_ir::layers::{CallId, LayerGraph, LayerId, Output, TensorRef};
use masque_ir::mask::{MAX_HEIGHT, MAX_PARTS, MaskExpr, MaskId, MaskPool};
use masque_ir::{DType, Dim, Semantics, Type};

use crate::layer::config::LARGEST_SIZE;
use crate::layer::{
    Arguments, Effect, Kind, Layer, MaskParts, MaskRule, Reads, ShapeError, WeightSpec, signature,
};
use crate::masks::{self, Flow, Incoming, Rules};

/// A model whose types do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("layer `{layer}` ({class}): {source}")]
pub struct InferError {
    /// The call.
    pub layer: String,
    /// Its layer's class.
    pub class: String,
    /// What does not fit.
    pub source: ShapeError,
}

/// What was inferred, with the weights that every layer needs (by layer).
#[derive(Clone, Debug)]
pub struct Inference {
    /// Types, masks, statuses, with the masks that were asked for; the weights are declared without hashes.
    pub facts: Facts,
    /// The same with the other source's masks.
    pub others: Facts,
    /// The calls that compute with other masks under one source than under the other, in execution order.
    pub differing: Vec<Differing>,
    /// The weights of every layer, in the order of the layers.
    pub weights: Vec<Vec<WeightSpec>>,
    /// For each output of the model a tensor that was given the mask which hangs on the output when all calls have run.
    pub output_masks: Vec<Option<TensorRef>>,
}

/// A call that computes with other masks under one source than under the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// The call.
    pub call: CallId,
    /// The first tensor whose masks differ, and its place among those that the call reads as data.
    pub tensor: TensorRef,
    /// See `tensor`.
    pub place: usize,
    /// The call that took the mask off that tensor while the model ran, if one did.
    pub taken: Option<CallId>,
    /// Does the running model compute without the mask that the tensor carries?
    pub unused: bool,
}

/// The most elements that a tensor of known size may have: a petabyte is a mistake, or an attack.
const LARGEST_TENSOR: i64 = 1 << 40;

/// Infers a graph. `layers` are the graph's layers, in order.
pub fn infer(
    graph: &LayerGraph,
    layers: &[Box<dyn Layer>],
    source: MaskSource,
) -> Result<Inference, InferError> {
    let other = if source == MaskSource::Keras { MaskSource::Intended } else { MaskSource::Keras };
    let tracks = [source, other].map(|source| Track::new(graph.semantics, source));
    let state = State::new(graph, layers, tracks).run()?;
    let output_masks = state.track.output_masks(graph);
    let weights: Vec<Vec<WeightSpec>> = state.weights.into_iter().map(Option::unwrap_or_default).collect();
    let declared = graph.layers().iter().zip(&weights).flat_map(|(layer, specs)| {
        specs.iter().map(|spec| WeightDecl {
            name: format!("{}/{}", layer.name, spec.name),
            ty: spec.ty.clone(),
            hash: None,
        })
    });
    let (declared, pool) = (declared.collect::<Vec<_>>(), state.pool.into_inner());
    let facts = |track: Track| Facts {
        source: track.rules.source,
        calls: track.calls,
        masks: pool.clone(),
        weights: declared.clone(),
    };
    let (facts, others) = (facts(state.track).compact(), facts(state.other).compact());
    Ok(Inference { facts, others, differing: state.differing, weights, output_masks })
}

/// Infers the masks of Keras' symbolic graph, which are there before a model runs: no call takes one off a tensor.
pub fn symbolic(graph: &LayerGraph, layers: &[Box<dyn Layer>]) -> Result<Facts, InferError> {
    let track = || Track {
        rules: Rules { semantics: graph.semantics, source: MaskSource::Keras },
        flow: Flow::new(MaskSource::Intended),
        calls: vec![],
    };
    let state = State::new(graph, layers, [track(), track()]).run()?;
    let facts = Facts {
        source: MaskSource::Keras,
        calls: state.track.calls,
        masks: state.pool.into_inner(),
        weights: vec![],
    };
    Ok(facts.compact())
}

/// The facts so far under one source of masks.
struct Track {
    rules: Rules,
    flow: Flow,
    calls: Vec<CallFact>,
}

impl Track {
    fn new(semantics: Semantics, source: MaskSource) -> Track {
        Track { rules: Rules { semantics, source }, flow: Flow::new(source), calls: vec![] }
    }

    fn fact(&self, tensor: TensorRef) -> &TensorFact {
        &self.calls[tensor.call.0 as usize].outputs[tensor.output as usize]
    }

    /// For each output of the model a tensor that was given the mask which hangs on the output when all calls have run.
    fn output_masks(&self, graph: &LayerGraph) -> Vec<Option<TensorRef>> {
        let mut given: HashMap<MaskId, TensorRef> = HashMap::new();
        for (call, fact) in self.calls.iter().enumerate() {
            for (output, mask) in
                fact.outputs.iter().enumerate().filter_map(|(at, out)| Some((at, out.mask?)))
            {
                given.entry(mask).or_insert(TensorRef { call: CallId(call as u32), output: output as u32 });
            }
        }
        let mask = |output: &Output| self.flow.mask(output.tensor).and_then(|mask| given.get(&mask).copied());
        graph.outputs().iter().map(mask).collect()
    }

    fn incoming(
        &self,
        layer: &dyn Layer,
        arguments: &Arguments<TensorRef>,
        mask_of: impl Fn(TensorRef) -> MaskId,
    ) -> Incoming {
        let made_with = |tensor| self.fact(tensor).mask;
        masks::incoming(self.rules, layer, arguments, |tensor| self.flow.mask(tensor), made_with, mask_of)
    }

    /// Takes note of a call whose outputs have these types.
    fn call(
        &mut self,
        layer: &dyn Layer,
        arguments: &Arguments<TensorRef>,
        types: &Arguments<Type>,
        incoming: Incoming,
        outputs: &[Type],
        pool: &mut MaskPool,
    ) {
        let rule = masks::rule(self.rules, layer, types);
        let rank = |tensor: TensorRef| self.fact(tensor).ty.rank() as u32;
        let ruled = match rule {
            MaskRule::Unknown => masks::unknown(CallId(self.calls.len() as u32), outputs, pool),
            _ => masks::apply(self.rules, &rule, arguments, &incoming, outputs, rank, pool),
        };
        let names = arguments.data_parameters();
        let data = names.iter().flat_map(|name| arguments.tensors(name).iter().zip(types.tensors(name)));
        // What was converted on the way in is a tensor of its own.
        let itself = |(&tensor, ty): (&TensorRef, &Type)| (self.fact(tensor).ty == *ty).then_some(tensor);
        let data: Vec<Option<TensorRef>> = data.map(itself).collect();
        let by_hand: &[_] = if arguments.explicit_masks().is_some() { &incoming.previous } else { &[] };
        let effect = masks::effect(self.rules, layer, types);
        if effect == Effect::Unknown {
            for &tensor in data.iter().flatten() {
                if let Some(mask) = self.flow.mask(tensor) {
                    self.flow.forget(tensor, pool.unknown(tensor, pool.rank(mask)));
                }
            }
        }
        let outgoing = self.flow.call(effect, &data, by_hand, &ruled);
        let status = masks::status(&rule, &incoming.all, &outgoing);
        let outputs = outputs.iter().zip(outgoing).map(|(ty, mask)| TensorFact { ty: ty.clone(), mask });
        self.calls.push(CallFact { mask_in: incoming.all, status, outputs: outputs.collect() });
    }
}

struct State<'a> {
    graph: &'a LayerGraph,
    layers: &'a [Box<dyn Layer>],
    pool: RefCell<MaskPool>,
    /// The types of the pool's first masks.
    mask_types: RefCell<Vec<Type>>,
    /// With the masks that were asked for, and with the others.
    track: Track,
    other: Track,
    differing: Vec<Differing>,
    /// Which mask the first output of each call is.
    expressions: Vec<Option<MaskId>>,
    weights: Vec<Option<Vec<WeightSpec>>>,
}

impl<'a> State<'a> {
    /// Before the first call; `tracks` are the masks that are asked for, and the others.
    fn new(graph: &'a LayerGraph, layers: &'a [Box<dyn Layer>], tracks: [Track; 2]) -> State<'a> {
        let [track, other] = tracks;
        State {
            graph,
            layers,
            pool: RefCell::default(),
            mask_types: RefCell::default(),
            track,
            other,
            differing: vec![],
            expressions: Vec::with_capacity(graph.calls().len()),
            weights: vec![None; layers.len()],
        }
    }

    /// Infers call by call.
    fn run(mut self) -> Result<State<'a>, InferError> {
        for call in self.graph.calls() {
            self.call(call).map_err(|source| InferError {
                layer: self.graph.call_name(call),
                class: self.graph.layer_of(call).class.clone(),
                source,
            })?;
        }
        Ok(self)
    }

    fn fact(&self, tensor: TensorRef) -> &TensorFact {
        self.track.fact(tensor)
    }

    fn call(&mut self, id: CallId) -> Result<(), ShapeError> {
        let call = self.graph.call(id);
        let layer = self.layers[call.layer.0 as usize].as_ref();
        let arguments = signature::check(layer, call)?;
        let mut types = arguments.map(|&tensor| autocast(layer, &self.fact(tensor).ty));
        let mask_of = |tensor| self.expression(tensor).unwrap_or_else(|| self.opaque(tensor));
        let incoming = self.track.incoming(layer, &arguments, mask_of);
        let others = self.other.incoming(layer, &arguments, mask_of);
        let used = masks::used(self.track.rules, layer, &arguments, &incoming.all);
        let others_used = masks::used(self.other.rules, layer, &arguments, &others.all);
        let differing = self
            .differing(layer, [&used, &others_used], [&incoming, &others])
            .and_then(|place| arguments.all_data().nth(place).map(|&tensor| (place, tensor)));
        if let Some((place, tensor)) = differing {
            let (keras, used, all) = match self.track.rules.source {
                MaskSource::Keras => (&self.track, &used, &incoming.all),
                MaskSource::Intended => (&self.other, &others_used, &others.all),
            };
            let get = |masks: &[Option<MaskId>]| masks.get(place).copied().flatten();
            let unused = get(used).is_none() && get(all).is_some();
            let taken = keras.flow.taken_by(tensor);
            self.differing.push(Differing { call: id, tensor, place, taken, unused });
        }
        types.masks = used.iter().map(|mask| mask.map(|mask| self.mask_type(mask))).collect();

        let outputs = layer.infer(&types)?;
        check_sizes(&outputs)?;
        if outputs.len() != call.outputs as usize {
            return Err(ShapeError::new(format!("{} outputs", call.outputs), outputs.len()));
        }
        self.layer_weights(call.layer, layer.weights(&types)?)?;

        let parts = MaskParts::new(&arguments, &self.pool, &used, &self.track.calls, &self.expressions);
        let expression = layer.as_mask(&parts).or_else(|| {
            let first = outputs.first().filter(|first| first.dtype == DType::Bool)?;
            let tensor = TensorRef { call: id, output: 0 };
            Some(self.pool.borrow_mut().tensor(tensor, first.rank() as u32))
        });
        self.expressions.push(expression);
        let pool = &mut *self.pool.borrow_mut();
        self.track.call(layer, &arguments, &types, incoming, &outputs, pool);
        self.other.call(layer, &arguments, &types, others, &outputs, pool);
        check_masks(pool)
    }

    /// The first place where other masks are used, and it changes something at valid positions. A mask that is missing at
    /// the end is none.
    fn differing(
        &self,
        layer: &dyn Layer,
        [some, others]: [&[Option<MaskId>]; 2],
        incoming: [&Incoming; 2],
    ) -> Option<usize> {
        let running = if self.track.rules.source == MaskSource::Keras { 0 } else { 1 };
        let meant = [some, others][1 - running];
        let get = |masks: &[Option<MaskId>], place: usize| masks.get(place).copied().flatten();
        (0..some.len().max(others.len())).find(|&place| {
            let covered =
                || get(meant, place).is_some_and(|mask| self.covers(layer, incoming[running], mask));
            let known = |mask: Option<MaskId>| !mask.is_some_and(|mask| self.pool.borrow().is_unknown(mask));
            let differ = get(some, place) != get(others, place) && known(get(some, place));
            differ && known(get(others, place)) && layer.masking().decides(place) && !covered()
        })
    }

    /// Do masks for pairs of positions, or for keys, exclude what a mask of the values would?
    fn covers(&self, layer: &dyn Layer, incoming: &Incoming, mask: MaskId) -> bool {
        if !matches!(masks::reads(layer), Reads::Each { .. }) {
            return false;
        }
        let pool = self.pool.borrow();
        let pairs = incoming.pairs.key.into_iter().chain(incoming.all.iter().skip(1).copied().flatten());
        if pairs.into_iter().any(|own| own == mask) {
            return true;
        }
        let Some(both) = incoming.pairs.both else { return false };
        masks::conjuncts(&pool, both).into_iter().any(|part| match pool.get(part) {
            MaskExpr::Expand(_, of) => *of == mask,
            // Flags of which no more is known: they may say it, if any input decides them.
            MaskExpr::Tensor(flags) => {
                let inputs = self.inputs_of(*flags);
                inputs.iter().any(|&input| self.graph.layer_of(input).class == "InputLayer")
            }
            _ => false,
        })
    }

    /// The calls whose values decide a tensor, itself among them.
    fn inputs_of(&self, tensor: TensorRef) -> HashSet<CallId> {
        let mut seen = HashSet::from([tensor.call]);
        let mut open = vec![tensor.call];
        while let Some(call) = open.pop() {
            // What is only of a tensor's shape.
            if matches!(
                self.graph.layer_of(call).class.as_str(),
                "ops.OnesLike" | "ops.ZerosLike" | "ops.Shape"
            ) {
                continue;
            }
            let reads = self.graph.call(call).arguments.iter().flat_map(|argument| argument.value.tensors());
            open.extend(reads.map(|read| read.call).filter(|read| seen.insert(*read)));
        }
        seen
    }

    /// The type of a mask. Parts stand before what is made of them, and each is looked at once: masks share parts.
    fn mask_type(&self, mask: MaskId) -> Type {
        let (pool, mut types) = (self.pool.borrow(), self.mask_types.borrow_mut());
        for place in types.len()..=mask.0 as usize {
            let tensor = |tensor| self.fact(tensor).ty.clone();
            let ty = masks::type_by_parts(&pool, MaskId(place as u32), &tensor, &|part| {
                types[part.0 as usize].clone()
            });
            types.push(ty);
        }
        types[mask.0 as usize].clone()
    }

    fn expression(&self, tensor: TensorRef) -> Option<MaskId> {
        self.expressions[tensor.call.0 as usize].filter(|_| tensor.output == 0)
    }

    /// A tensor of another element type as a mask: what a cast to bool makes of it.
    fn opaque(&self, tensor: TensorRef) -> MaskId {
        let (ty, mut pool) = (&self.fact(tensor).ty, self.pool.borrow_mut());
        let rank = ty.rank() as u32;
        if ty.dtype == DType::Bool { pool.tensor(tensor, rank) } else { pool.not_equal(tensor, 0.0, rank) }
    }

    /// All calls of a layer share its weights: they must need the same ones.
    fn layer_weights(&mut self, layer: LayerId, specs: Vec<WeightSpec>) -> Result<(), ShapeError> {
        let known = &mut self.weights[layer.0 as usize];
        match known {
            Some(known) if *known != specs => {
                let list = |specs: &[WeightSpec]| {
                    specs
                        .iter()
                        .map(|spec| format!("{} {}", spec.name, spec.ty))
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                Err(ShapeError::new(
                    format!("inputs as in the first call, with weights {}", list(known)),
                    list(&specs),
                ))
            }
            Some(_) => Ok(()),
            None => {
                *known = Some(specs);
                Ok(())
            }
        }
    }
}

/// Layers compute in float32: wider floats are converted on the way in.
pub(crate) fn autocast(layer: &dyn Layer, ty: &Type) -> Type {
    if ty.dtype == DType::F64 && layer.kind() != Kind::Operation {
        ty.with_dtype(DType::F32)
    } else {
        ty.clone()
    }
}

/// Masks that later passes can walk over.
fn check_masks(pool: &MaskPool) -> Result<(), ShapeError> {
    if pool.height() > MAX_HEIGHT {
        let expected = format!("masks at most {MAX_HEIGHT} deep within one another");
        return Err(ShapeError::new(expected, pool.height()));
    }
    if pool.parts() > MAX_PARTS {
        let expected = format!("masks of at most {MAX_PARTS} parts together");
        return Err(ShapeError::new(expected, pool.parts()));
    }
    Ok(())
}

/// No size may be negative or beyond any use: sizes are multiplied later.
fn check_sizes(types: &[Type]) -> Result<(), ShapeError> {
    for ty in types {
        let sizes = ty.shape.iter().filter_map(masque_ir::Dim::known);
        let fits = sizes.clone().all(|size| (0..=LARGEST_SIZE).contains(&size))
            && sizes
                .map(i128::from)
                .try_fold(1i128, i128::checked_mul)
                .is_some_and(|all| all <= i128::from(LARGEST_TENSOR));
        if !fits {
            return Err(ShapeError::new("a shape that is not negative, nor too large", ty));
        }
        // A size that cannot be written down can grow without an end: a window over windows over windows.
        let written = |dim: &Dim| {
            dim.known().is_some() || dim.as_symbol().is_some() || dim.to_string().parse().as_ref() == Ok(dim)
        };
        if !ty.shape.iter().all(written) {
            return Err(ShapeError::new("sizes that can be written down", "one that is too long"));
        }
    }
    Ok(())
}
