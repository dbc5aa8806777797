//! Planning: kernels chosen, composites without one decomposed, values placed over one another, weights laid out the way
//! their kernels read them.

mod fuse;
mod prepare;
mod products;
mod rows;
mod stored;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use masque_ir::by_value::ByValue;
use masque_ir::float::Float;
use masque_ir::kernel::Kernel;
use masque_ir::ops::{Elementwise, Leaf, Op, OpError};
use masque_ir::plan::{
    Layout, Plan, PlanInput, PlanOutput, PlanState, PlanValue, PlanWeight, Provenance, Source, Step,
};
use masque_ir::program::{Node, Operand, Program, ProgramOutput, Value};
use masque_ir::{DType, Type};
use masque_runtime::weights::lay_out;
use masque_runtime::{Attached, Tensor};

use crate::executable::{self, ExecutableError, Runner};

pub(crate) use prepare::show;
use prepare::{Prepared, prepare, readers};
pub use products::{Growth, Products};

/// A plan with the bytes of its weights, in the order of the plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The weights' bytes.
    pub weights: Vec<Vec<u8>>,
    /// Products of weights among them.
    pub products: Products,
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

    /// Writes a self-contained executable for the kind of machine that masque was built for; gives its size in bytes.
    ///
    /// # Errors
    ///
    /// [`ExecutableError`] names the file.
    pub fn write_executable(&self, path: &Path) -> Result<u64, ExecutableError> {
        self.write(path, Some(&Runner::carried()), &Attached::default())
    }

    /// Writes what an executable holds, without a program; gives its size in bytes.
    ///
    /// # Errors
    ///
    /// [`ExecutableError`] names the file.
    pub fn write_plan_file(&self, path: &Path) -> Result<u64, ExecutableError> {
        self.write(path, None, &Attached::default())
    }

    /// Writes an executable that begins with this runner, or a plan file, with labels, notes or an example attached; gives
    /// its size in bytes.
    ///
    /// # Errors
    ///
    /// [`ExecutableError`] names the file.
    pub fn write(
        &self,
        path: &Path,
        runner: Option<&Runner>,
        attached: &Attached,
    ) -> Result<u64, ExecutableError> {
        executable::write(path, runner, &self.plan, &self.weights, attached)
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
    /// A product of a table and a kernel is not computed: it does not fit in memory.
    #[error("a product of a table and a kernel cannot be stored: {0}")]
    Product(Box<dyn std::error::Error + Send + Sync>),
    /// A composite could not be decomposed: a mistake of ours.
    #[error("{0}")]
    Decompose(#[from] OpError),
}

/// Plans a program. The first `outputs` of its outputs are the model's, the others masks, and what is kept of its
/// states. Weights may grow by `growth` for products of tables and kernels.
///
/// # Errors
///
/// [`PlanError::MissingWeight`] for a model without weights.
pub fn plan(
    program: &Program,
    outputs: usize,
    weights: &BTreeMap<String, Tensor>,
    provenance: Provenance,
    growth: Growth,
) -> Result<Planned, PlanError> {
    let Prepared { program, made, products } = prepare(program, Some((weights, growth)), &mut |_, _| {})?;
    let mut planner = Planner::new(&program, weights.iter().chain(&made));
    planner.given();
    for place in 0..program.nodes.len() {
        if planner.live[place] {
            planner.node(place)?;
        }
    }
    let all = program.outputs.iter().map(|output| planner.output(output)).collect::<Result<Vec<_>, _>>()?;
    let mut outputs_and_masks = all.into_iter();
    let outputs: Vec<PlanOutput> = outputs_and_masks.by_ref().take(outputs).collect();
    let name = |state: &PlanState| planner.values[state.value as usize].name.as_str();
    let (kept, masks): (Vec<PlanOutput>, Vec<PlanOutput>) =
        outputs_and_masks.partition(|output| planner.states.iter().any(|state| name(state) == output.name));
    let kept_of = |state: &PlanState| kept.iter().find(|output| output.name == name(state));
    let states = planner.states.iter().map(|state| PlanState {
        kept: kept_of(state).map_or(Source::Absent, |output| output.source),
        ..state.clone()
    });
    let states = states.collect();
    masque_runtime::bundle::place(&mut planner.placed);
    let plan = Plan {
        name: program.name.clone(),
        semantics: program.semantics,
        provenance,
        inputs: planner.inputs,
        states,
        weights: planner.placed,
        values: planner.values,
        steps: planner.steps,
        outputs,
        masks,
    };
    Ok(Planned { plan, weights: planner.bytes, products })
}

struct Planner<'a> {
    program: &'a Program,
    /// By node.
    kernels: Vec<Kernel>,
    contents: HashMap<&'a str, &'a Tensor>,
    live: Vec<bool>,
    memory: Memory,
    place_of: ByValue<u32>,
    inputs: Vec<PlanInput>,
    states: Vec<PlanState>,
    values: Vec<PlanValue>,
    steps: Vec<Step>,
    /// Where constants and weights are in each layout.
    placed_at: ByValue<Vec<(Layout, u32)>>,
    placed: Vec<PlanWeight>,
    bytes: Vec<Vec<u8>>,
}

/// Which values share memory, and until when it is read.
struct Memory {
    /// By value: the one that it is under another shape, itself if it is none.
    same: ByValue<Value>,
    /// By such a value: the last node that reads it under any shape; outputs are read at the very end.
    last_use: ByValue<usize>,
    /// By such a value: does it belong to the run, so that another one may be written in place of it?
    writable: ByValue<bool>,
}

impl Memory {
    fn of(program: &Program, live: &[bool], kernels: &[Kernel]) -> Memory {
        let mut memory = Memory {
            same: ByValue::new(program),
            last_use: ByValue::new(program),
            writable: ByValue::new(program),
        };
        for (place, node) in program.nodes.iter().enumerate().filter(|(place, _)| live[*place]) {
            let operands = node.operands.iter().filter_map(Operand::value);
            operands.for_each(|value| memory.read(value, place));
            let of =
                node.operands.first().and_then(Operand::value).filter(|_| kernels[place] == Kernel::Alias);
            for result in 0..node.results.len() as u32 {
                let value = Value { node: place as u32, result };
                memory.same.insert(value, of.map_or(value, |of| memory.same(of)));
                memory.writable.insert(value, !kernels[place].gives() && !is_leaf(node));
            }
        }
        let outputs = program.outputs.iter().filter_map(|output| output.operand.value());
        outputs.for_each(|value| memory.read(value, usize::MAX));
        memory
    }

    fn same(&self, value: Value) -> Value {
        self.same.get(value).copied().unwrap_or(value)
    }

    fn read(&mut self, value: Value, by: usize) {
        self.last_use.insert(self.same(value), by);
    }

    /// May the results of a node be written in place of a value that it reads?
    fn ends_at(&self, value: Value, place: usize) -> bool {
        let same = self.same(value);
        self.writable.get(same) == Some(&true) && self.last_use.get(same) == Some(&place)
    }
}

fn is_leaf(node: &Node) -> bool {
    matches!(node.op, Op::Leaf(_))
}

/// Is it stored with the plan?
fn is_stored(node: &Node) -> bool {
    matches!(node.op, Op::Leaf(Leaf::Weight { .. } | Leaf::Constant { .. }))
}

/// The kernel that computes a node; `None` for a composite that has none.
fn chosen(program: &Program, node: &Node) -> Option<Kernel> {
    let types = program.operand_types(node);
    Kernel::choose(&node.op, &types.iter().map(Option::as_ref).collect::<Vec<_>>())
}

/// The kernel that computes a node. What is stored cannot lie under another shape.
fn kernel(program: &Program, node: &Node) -> Kernel {
    let is_value = |operand: &Operand| {
        operand.value().is_some_and(|value| !is_stored(&program.nodes[value.node as usize]))
    };
    match chosen(program, node).unwrap_or(Kernel::Reference) {
        Kernel::Alias if !node.operands.first().is_some_and(is_value) => Kernel::Reference,
        kernel => kernel,
    }
}

impl<'a> Planner<'a> {
    fn new(program: &'a Program, contents: impl Iterator<Item = (&'a String, &'a Tensor)>) -> Planner<'a> {
        let live = program.live(false);
        let kernels: Vec<Kernel> = program.nodes.iter().map(|node| kernel(program, node)).collect();
        Planner {
            program,
            contents: contents.map(|(name, tensor)| (name.as_str(), tensor)).collect(),
            memory: Memory::of(program, &live, &kernels),
            live,
            kernels,
            place_of: ByValue::new(program),
            inputs: vec![],
            states: vec![],
            values: vec![],
            steps: vec![],
            placed_at: ByValue::new(program),
            placed: vec![],
            bytes: vec![],
        }
    }

    /// Inputs and states are values from the start, whether they are read or not: they are the model's interface.
    fn given(&mut self) {
        let program = self.program;
        let paddings = paddings(program);
        for (value, _) in program.inputs() {
            let pad = Float(paddings.get(value).copied().unwrap_or(0.0));
            let place = self.define(value, None);
            self.inputs.push(PlanInput { value: place, pad });
        }
        for (value, _) in program.states() {
            let place = self.define(value, None);
            self.states.push(PlanState { value: place, kept: Source::Absent });
        }
    }

    fn define(&mut self, value: Value, over: Option<u32>) -> u32 {
        let (place, info) = (self.values.len() as u32, self.program.result(value));
        self.values.push(PlanValue { name: info.name.clone(), ty: info.ty.clone(), over });
        self.place_of.insert(value, place);
        place
    }

    fn node(&mut self, place: usize) -> Result<(), PlanError> {
        let node = &self.program.nodes[place];
        // Constants are stored with the weights; weights are placed where they are read.
        if is_leaf(node) {
            return Ok(());
        }
        let (op, kernel) = (&node.op, self.kernels[place]);
        let mut operands = vec![];
        for (at, operand) in node.operands.iter().enumerate() {
            operands.push(self.operand(op, kernel, at, operand)?);
        }
        let over = self.over(place, node, kernel);
        let results = (0..node.results.len() as u32)
            .map(|result| self.define(Value { node: place as u32, result }, over.filter(|_| result == 0)));
        let results = results.collect();
        self.steps.push(Step { op: op.clone(), kernel, operands, results });
        Ok(())
    }

    /// The value whose memory the first result of a node takes.
    fn over(&self, place: usize, node: &Node, kernel: Kernel) -> Option<u32> {
        let at = kernel.over()?;
        let operand = node.operands.get(at)?.value()?;
        let others = node.operands.iter().enumerate().filter(|(other, _)| *other != at);
        let shared = |other: Value| self.memory.same(other) == self.memory.same(operand);
        let read_beside = others.filter_map(|(_, other)| other.value()).any(shared);
        let typed = self.program.result(operand).ty == node.results[0].ty;
        let written = typed && !read_beside && self.memory.ends_at(operand, place);
        self.place_of.get(operand).copied().filter(|_| kernel == Kernel::Alias || written)
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
        if is_stored(node) {
            let layout = kernel.layout(op, place, node.results[0].ty.dtype);
            return self.weight(*value, layout).map(Source::Weight);
        }
        Ok(self.source(operand))
    }

    fn output(&mut self, output: &ProgramOutput) -> Result<PlanOutput, PlanError> {
        let operand = &output.operand;
        let ty = self.program.operand_type(operand).unwrap_or_else(|| Type::scalar(DType::Bool));
        let stored = operand.value().filter(|value| is_stored(&self.program.nodes[value.node as usize]));
        let source = match stored {
            Some(value) => {
                let layout = if ty.dtype == DType::Str { Layout::Texts } else { Layout::Rows };
                Source::Weight(self.weight(value, layout)?)
            }
            None => self.source(operand),
        };
        Ok(PlanOutput { name: output.name.clone(), ty, source })
    }

    /// What is read where no weight is.
    fn source(&self, operand: &Operand) -> Source {
        match operand {
            Operand::Absent => Source::Absent,
            Operand::Literal(literal) => Source::Literal(*literal),
            Operand::Value(value) => {
                self.place_of.get(*value).map_or(Source::Absent, |place| Source::Value(*place))
            }
        }
    }

    /// Places a weight in a layout, once for each layout.
    fn weight(&mut self, value: Value, layout: Layout) -> Result<u32, PlanError> {
        let info = self.program.result(value);
        let known = self.placed_at.get(value).map_or(&[][..], Vec::as_slice);
        if let Some((_, place)) = known.iter().find(|(known, _)| *known == layout) {
            return Ok(*place);
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
