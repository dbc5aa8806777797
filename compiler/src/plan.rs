//! Planning: kernels chosen, slots given and used again, weights laid out the way the kernels want them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::executable::ExecutableError;
use masque_ir::by_value::ByValue;
use masque_ir::float::Float;
use masque_ir::ops::{Elementwise, Leaf, Op};
use masque_ir::plan::{
    Kernel, Layout, Plan, PlanInput, PlanOutput, PlanResult, PlanState, PlanWeight, Provenance, Source, Step,
};
use masque_ir::program::{Node, Operand, Program, Value};
use masque_ir::{DType, Type};
use masque_runtime::weights::lay_out;
use masque_runtime::{Tensor, exec};

/// A plan with the bytes of its weights, in the order of the plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The weights' bytes.
    pub weights: Vec<Vec<u8>>,
}

impl Planned {
    /// The weights section: every weight's bytes where the plan places them.
    pub fn section(&self) -> Vec<u8> {
        let mut section = vec![];
        for (weight, bytes) in self.plan.weights.iter().zip(&self.weights) {
            section.resize(weight.offset as usize, 0);
            section.extend_from_slice(bytes);
        }
        section
    }

    /// Writes a self-contained executable; gives its size in bytes.
    ///
    /// # Errors
    ///
    /// [`ExecutableError`] names the file.
    pub fn write_executable(&self, path: &Path) -> Result<u64, ExecutableError> {
        crate::executable::write_executable(path, &self.plan, &self.weights)
    }
}

/// A plan could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The program names a weight that the model does not have.
    #[error("weight `{0}` has no content: the model came without weights")]
    MissingWeight(String),
    /// A weight does not go into the layout that its kernel wants.
    #[error("{0}")]
    Layout(#[from] masque_runtime::weights::WeightError),
}

/// Plans a program. The first `outputs` of its outputs are the model's, the others masks, and what is kept of its
/// states.
pub fn plan(
    program: &Program,
    outputs: usize,
    weights: &BTreeMap<String, Tensor>,
    provenance: Provenance,
) -> Result<Planned, PlanError> {
    let mut planner = Planner::new(program, weights);
    let inputs = planner.inputs();
    let mut states = planner.states();
    for place in 0..program.nodes.len() {
        if planner.live[place] {
            planner.node(place)?;
        }
    }
    let mut outputs_and_masks = program.outputs.iter().map(|output| PlanOutput {
        name: output.name.clone(),
        ty: program.operand_type(&output.operand).unwrap_or_else(|| Type::scalar(DType::Bool)),
        source: planner.source(&output.operand),
    });
    let outputs: Vec<PlanOutput> = outputs_and_masks.by_ref().take(outputs).collect();
    let (kept, masks): (Vec<PlanOutput>, Vec<PlanOutput>) =
        outputs_and_masks.partition(|output| states.iter().any(|state| state.name == output.name));
    for state in &mut states {
        state.kept =
            kept.iter().find(|output| output.name == state.name).map_or(Source::Absent, |o| o.source);
    }
    masque_runtime::bundle::place(&mut planner.placed);
    let plan = Plan {
        name: program.name.clone(),
        semantics: program.semantics,
        provenance,
        inputs,
        states,
        weights: planner.placed,
        slots: planner.slots,
        steps: planner.steps,
        outputs,
        masks,
    };
    Ok(Planned { plan, weights: planner.bytes })
}

struct Planner<'a> {
    program: &'a Program,
    contents: HashMap<&'a str, &'a Tensor>,
    live: Vec<bool>,
    /// By value: the last node that reads it; outputs are read at the very end.
    last_use: ByValue<usize>,
    slot_of: ByValue<u32>,
    free: Vec<u32>,
    slots: u32,
    /// Where constants and weights are in each layout.
    placed_at: ByValue<Vec<(Layout, u32)>>,
    placed: Vec<PlanWeight>,
    bytes: Vec<Vec<u8>>,
    steps: Vec<Step>,
}

impl<'a> Planner<'a> {
    fn new(program: &'a Program, contents: &'a BTreeMap<String, Tensor>) -> Planner<'a> {
        let live = program.live(false);
        let mut last_use = ByValue::new(program);
        for (place, node) in program.nodes.iter().enumerate().filter(|(place, _)| live[*place]) {
            let read = node.operands.iter().filter_map(Operand::value);
            read.for_each(|value| last_use.insert(value, place));
        }
        let outputs = program.outputs.iter().filter_map(|output| output.operand.value());
        outputs.for_each(|value| last_use.insert(value, usize::MAX));
        Planner {
            program,
            contents: contents.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect(),
            live,
            last_use,
            slot_of: ByValue::new(program),
            free: vec![],
            slots: 0,
            placed_at: ByValue::new(program),
            placed: vec![],
            bytes: vec![],
            steps: vec![],
        }
    }

    fn take_slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        })
    }

    /// Every input has a slot from the start, whether it is read or not: it is part of the model's face.
    fn inputs(&mut self) -> Vec<PlanInput> {
        let program = self.program;
        let paddings = paddings(program);
        let mut inputs = vec![];
        for (value, info) in program.inputs() {
            let slot = self.take_slot();
            self.slot_of.insert(value, slot);
            let (name, ty) = (info.name.clone(), info.ty.clone());
            inputs.push(PlanInput {
                name,
                ty,
                pad: Float(paddings.get(value).copied().unwrap_or(0.0)),
                slot,
            });
        }
        inputs
    }

    /// Every state has a slot from the start, too.
    fn states(&mut self) -> Vec<PlanState> {
        let program = self.program;
        let mut states = vec![];
        for (value, info) in program.states() {
            let slot = self.take_slot();
            self.slot_of.insert(value, slot);
            states.push(PlanState {
                name: info.name.clone(),
                ty: info.ty.clone(),
                slot,
                kept: Source::Absent,
            });
        }
        states
    }

    fn node(&mut self, place: usize) -> Result<(), PlanError> {
        let node = &self.program.nodes[place];
        match &node.op {
            // Constants are stored with the weights; weights are placed where they are read.
            Op::Leaf(_) => return Ok(()),
            op => {
                let types: Vec<Option<Type>> =
                    node.operands.iter().map(|operand| self.program.operand_type(operand)).collect();
                let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
                let kernel = if exec::has_native(op, &types) { Kernel::Native } else { Kernel::Reference };
                let mut sources = vec![];
                for (operand_place, operand) in node.operands.iter().enumerate() {
                    sources.push(self.operand(op, kernel, operand_place, operand)?);
                }
                let results = self.results(place, node);
                let release = self.release(place, node);
                self.steps.push(Step { op: op.clone(), kernel, sources, results, release });
            }
        }
        Ok(())
    }

    fn results(&mut self, place: usize, node: &Node) -> Vec<PlanResult> {
        let mut results = vec![];
        for (result, info) in node.results.iter().enumerate() {
            let slot = self.take_slot();
            self.slot_of.insert(Value { node: place as u32, result: result as u32 }, slot);
            results.push(PlanResult { name: info.name.clone(), ty: info.ty.clone(), slot });
        }
        results
    }

    /// Slots that nobody reads behind this node: of what it read last, and of results that nobody reads at all.
    fn release(&mut self, place: usize, node: &Node) -> Vec<u32> {
        let read = node.operands.iter().filter_map(Operand::value);
        let read = read.filter(|value| self.last_use.get(*value) == Some(&place));
        let made = (0..node.results.len() as u32).map(|result| Value { node: place as u32, result });
        let unread = made.filter(|value| self.last_use.get(*value).is_none());
        let mut slots: Vec<u32> =
            read.chain(unread).filter_map(|value| self.slot_of.get(value).copied()).collect();
        slots.sort_unstable();
        slots.dedup();
        self.free.extend(slots.iter().rev());
        slots
    }

    fn operand(
        &mut self,
        op: &Op,
        kernel: Kernel,
        place: usize,
        operand: &Operand,
    ) -> Result<Source, PlanError> {
        let Operand::Value(value) = operand else { return Ok(self.source(operand)) };
        let node = &self.program.nodes[value.node as usize];
        let dtype = node.results[0].ty.dtype;
        let layout = match kernel {
            Kernel::Native => exec::weight_layout(op, place, dtype),
            Kernel::Reference if dtype == DType::Str => Layout::Texts,
            Kernel::Reference => Layout::Rows,
        };
        match &node.op {
            Op::Leaf(Leaf::Weight { .. } | Leaf::Constant { .. }) => {
                self.weight(*value, layout).map(Source::Weight)
            }
            _ => Ok(self.source(operand)),
        }
    }

    /// What an operand outside of a step's weights is: an output that is a weight is not planned for.
    fn source(&self, operand: &Operand) -> Source {
        match operand {
            Operand::Absent => Source::Absent,
            Operand::Literal(literal) => Source::Literal(*literal),
            Operand::Value(value) => {
                self.slot_of.get(*value).map_or(Source::Absent, |slot| Source::Slot(*slot))
            }
        }
    }

    /// Places a weight in a layout, once for each layout.
    fn weight(&mut self, value: Value, layout: Layout) -> Result<u32, PlanError> {
        let info = self.program.result(value);
        let mut placed = self.placed_at.get(value).into_iter().flatten();
        if let Some((_, known)) = placed.find(|(known, _)| *known == layout) {
            return Ok(*known);
        }
        let constant;
        let (tensor, hash) = match &self.program.nodes[value.node as usize].op {
            Op::Leaf(Leaf::Constant { ty, values }) => {
                constant = crate::bind::constant(ty, values);
                (&constant, crate::bind::hash(&constant))
            }
            _ => {
                let tensor = self.contents.get(info.name.as_str()).copied();
                let tensor = tensor.ok_or_else(|| PlanError::MissingWeight(info.name.clone()))?;
                (tensor, crate::bind::hash(tensor))
            }
        };
        let bytes = lay_out(&tensor.view(), layout)?;
        let place = self.placed.len() as u32;
        let name = self.placed_name(value, layout);
        self.placed.push(PlanWeight {
            name,
            dtype: tensor.dtype(),
            shape: tensor.shape().iter().map(|&size| size as u64).collect(),
            layout,
            offset: 0,
            bytes: bytes.len() as u64,
            hash,
        });
        self.bytes.push(bytes);
        let mut placed = self.placed_at.get(value).cloned().unwrap_or_default();
        placed.push((layout, place));
        self.placed_at.insert(value, placed);
        Ok(place)
    }

    /// Name of a weight in a layout: its own the first time, then one that no other weight can have.
    fn placed_name(&self, value: Value, layout: Layout) -> String {
        let name = &self.program.result(value).name;
        if self.placed_at.get(value).is_none_or(Vec::is_empty) {
            return name.clone();
        }
        let suffix = match layout {
            Layout::Rows => "rows",
            Layout::Panels => "panels",
            Layout::Texts => "texts",
        };
        let taken = |name: &str| {
            self.program.nodes.iter().flat_map(|node| &node.results).any(|result| result.name == name)
        };
        let mut wanted = format!("{name}.{suffix}");
        while taken(&wanted) {
            wanted.push('_');
        }
        wanted
    }
}

/// What ragged examples of an input are filled up with: the number that a mask compares the input to first. By value; of
/// those that are compared to none, there is none.
fn paddings(program: &Program) -> ByValue<f64> {
    let mut paddings = ByValue::new(program);
    for node in &program.nodes {
        if let (Op::Elementwise(Elementwise::Ne), [Operand::Value(value), Operand::Literal(number)]) =
            (&node.op, node.operands.as_slice())
            && paddings.get(*value).is_none()
        {
            paddings.insert(*value, number.number.0);
        }
    }
    paddings
}
