//! Products of tables and kernels, computed while planning: where a layer reads rows of an embedding's table `E` and
//! multiplies them by a kernel, it reads rows of `E·W + b` instead.
//!
//! Numbers stay the same to the last bit: a row of a product does not depend on the rows beside it, and the product is
//! computed by the kernel that computes it in a run.

use std::collections::{BTreeMap, BTreeSet};

use masque_ir::activation::Activation;
use masque_ir::ops::{Dense, Index, Leaf, Op};
use masque_ir::plan::Provenance;
use masque_ir::program::{Builder, Node, Operand, Program, Value};
use masque_ir::{DType, Semantics};
use masque_runtime::session::Options;
use masque_runtime::{Section, Session, State, Tensor};
use ndarray::Axis;

use super::PlanError;
use crate::bind;
use crate::rebuild::Rebuild;

/// By how much weights may grow for products of tables and kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Growth {
    /// By a quarter of their bytes.
    #[default]
    Quarter,
    /// By so many bytes.
    Bytes(u64),
}

/// What has become of the products of tables and kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Products {
    /// How many are stored.
    pub made: usize,
    /// By how many bytes the weights have grown for them; below 0 where they take less than what they stand for.
    pub growth: i64,
    /// How many more there could be.
    pub left: usize,
    /// By how many bytes the weights would grow for these.
    pub left_growth: i64,
}

/// A layer that multiplies rows of a table by a kernel.
#[derive(Clone, Copy, Debug)]
struct Reader {
    node: usize,
    /// The node that takes the rows out of the table, if it is another.
    gather: Option<usize>,
    factors: Factors,
}

/// What a product is made of, and what is applied to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Factors {
    table: Value,
    kernel: Value,
    bias: Option<Value>,
    activation: Activation,
}

/// Multiplies tables by kernels as far as weights may grow, those first that cost the fewest bytes. Gives the program, the
/// weights that were made, and what was done.
///
/// # Errors
///
/// [`PlanError::MissingWeight`], and [`PlanError::Product`] of one that does not fit in memory.
pub(super) fn multiply(
    program: &Program,
    contents: &[&BTreeMap<String, Tensor>],
    growth: Growth,
) -> Result<(Program, BTreeMap<String, Tensor>, Products), PlanError> {
    let weights = Weights::of(program);
    let mut groups: BTreeMap<Value, Vec<Reader>> = BTreeMap::new();
    for reader in (0..program.nodes.len()).filter_map(|place| reader(program, place)) {
        groups.entry(reader.factors.table).or_default().push(reader);
    }
    let mut groups: Vec<(i64, Vec<Reader>)> =
        groups.into_values().map(|readers| (weights.growth(&readers), readers)).collect();
    groups.sort_by_key(|(growth, _)| *growth);
    let most = match growth {
        Growth::Quarter => weights.total() / 4,
        Growth::Bytes(bytes) => i64::try_from(bytes).unwrap_or(i64::MAX),
    };
    let (mut done, mut chosen) = (Products::default(), BTreeMap::new());
    for (growth, readers) in groups {
        let products = readers.iter().map(|reader| reader.factors).collect::<BTreeSet<_>>().len();
        if done.growth + growth <= most {
            (done.made, done.growth) = (done.made + products, done.growth + growth);
            chosen.extend(readers.into_iter().map(|reader| (reader.node, reader)));
        } else {
            (done.left, done.left_growth) = (done.left + products, done.left_growth + growth);
        }
    }
    let mut multiplied = Multiplied {
        rebuild: Rebuild::of(program),
        program,
        contents,
        made: BTreeMap::new(),
        products: BTreeMap::new(),
    };
    for place in 0..program.nodes.len() {
        match chosen.get(&place) {
            Some(reader) => {
                let results = multiplied.read(*reader)?;
                multiplied.rebuild.replace(place, results);
            }
            None => multiplied.rebuild.keep(place),
        }
    }
    Ok((multiplied.rebuild.finish(), multiplied.made, done))
}

/// A node that multiplies rows of a stored table of floats by a stored kernel.
fn reader(program: &Program, node: usize) -> Option<Reader> {
    let stored = |operand: &Operand| {
        let value = operand.value()?;
        let is_weight = matches!(program.nodes[value.node as usize].op, Op::Leaf(Leaf::Weight { .. }));
        let ty = &program.result(value).ty;
        (is_weight && ty.dtype == DType::F32 && ty.known_elements().is_some()).then_some(value)
    };
    let Node { op, operands, .. } = &program.nodes[node];
    let (gather, table, bias, activation) = match op {
        Op::Recurrent(op) if operands.get(op.rows()?)? != &Operand::Absent => {
            (None, &operands[0], &operands[3], Activation::Linear)
        }
        Op::Dense(Dense::Dense { activation }) if activation.axis().is_none() => {
            let gather = operands[0].value()?.node as usize;
            let Node { op: Op::Index(Index::Gather), operands: looked_up, .. } = &program.nodes[gather]
            else {
                return None;
            };
            (Some(gather), &looked_up[0], &operands[2], *activation)
        }
        _ => return None,
    };
    let bias = if *bias == Operand::Absent { None } else { Some(stored(bias)?) };
    let factors = Factors { table: stored(table)?, kernel: stored(&operands[1])?, bias, activation };
    (program.result(factors.table).ty.rank() == 2).then_some(Reader { node, gather, factors })
}

/// Which nodes read a program's weights.
struct Weights<'a> {
    program: &'a Program,
    /// By node, those that are needed; the end of the program counts as one.
    readers: Vec<Vec<usize>>,
}

impl<'a> Weights<'a> {
    fn of(program: &'a Program) -> Weights<'a> {
        let (live, mut readers) = (program.live(false), super::readers(program));
        readers.iter_mut().for_each(|readers| readers.retain(|reader| live.get(*reader) != Some(&false)));
        Weights { program, readers }
    }

    fn bytes(&self, value: Value) -> i64 {
        self.program.result(value).ty.known_elements().map_or(0, |elements| elements.saturating_mul(4))
    }

    /// The bytes of all weights that are read.
    fn total(&self) -> i64 {
        let read = self.program.weights().map(|(value, _)| value);
        let read = read.filter(|value| !self.readers[value.node as usize].is_empty());
        read.map(|value| self.bytes(value)).fold(0, i64::saturating_add)
    }

    /// By how many bytes weights grow if these nodes read products.
    fn growth(&self, readers: &[Reader]) -> i64 {
        let nodes: BTreeSet<usize> = readers.iter().map(|reader| reader.node).collect();
        let all = |value: usize, among: &BTreeSet<usize>| {
            self.readers[value].iter().all(|reader| among.contains(reader))
        };
        let gathers = readers.iter().filter_map(|reader| reader.gather).filter(|gather| all(*gather, &nodes));
        let gone: BTreeSet<usize> = nodes.iter().copied().chain(gathers).collect();
        let factors: BTreeSet<Factors> = readers.iter().map(|reader| reader.factors).collect();
        let made = factors.iter().map(|Factors { table, kernel, .. }| {
            let [rows, columns] = [(table, 0), (kernel, 1)]
                .map(|(value, axis)| self.program.result(*value).ty.shape[axis].known().unwrap_or(0));
            rows.saturating_mul(columns).saturating_mul(4)
        });
        let read: BTreeSet<Value> =
            factors.iter().flat_map(|factors| [factors.table, factors.kernel]).collect();
        let freed =
            read.iter().filter(|value| all(value.node as usize, &gone)).map(|value| self.bytes(*value));
        made.fold(0, i64::saturating_add).saturating_sub(freed.sum())
    }
}

/// A program whose tables are multiplied, as far as it is made.
struct Multiplied<'a> {
    program: &'a Program,
    contents: &'a [&'a BTreeMap<String, Tensor>],
    rebuild: Rebuild<'a>,
    made: BTreeMap<String, Tensor>,
    /// What a factor has become, by layer that is called more than once: the product, and a bias that is left.
    products: BTreeMap<Factors, (Operand, Operand)>,
}

impl Multiplied<'_> {
    /// What a node gives, from rows of the product.
    fn read(&mut self, reader: Reader) -> Result<Vec<Operand>, PlanError> {
        let (product, bias) = match self.products.get(&reader.factors) {
            Some(known) => known.clone(),
            None => {
                let made = self.product(reader.factors)?;
                self.products.insert(reader.factors, made.clone());
                made
            }
        };
        let node = &self.program.nodes[reader.node];
        let mut operands = self.rebuild.operands(node);
        Ok(match reader.gather {
            None => {
                (operands[0], operands[1], operands[3]) = (product, Operand::Absent, bias);
                self.rebuild.builder.copy(node, operands)
            }
            Some(gather) => {
                let ids = self.rebuild.now(&self.program.nodes[gather].operands[1]);
                let looked_up = Node { op: Index::Gather.into(), ..node.clone() };
                self.rebuild.builder.copy(&looked_up, vec![product, ids])
            }
        })
    }

    /// The product as a weight, and what is left of the bias.
    fn product(&mut self, factors: Factors) -> Result<(Operand, Operand), PlanError> {
        let name = |value: Value| &self.program.result(value).name;
        let content = |value: Value| {
            let found = self.contents.iter().find_map(|contents| contents.get(name(value)));
            found.ok_or_else(|| PlanError::MissingWeight(name(value).clone()))
        };
        let bias = factors.bias.map(content).transpose()?;
        let two = bias.and_then(Tensor::as_f32).filter(|bias| bias.ndim() == 2);
        let row = |at: usize| two.map(|rows| Tensor::F32(rows.index_axis(Axis(0), at).to_owned()));
        let (of_input, of_state) = (row(0).or_else(|| bias.cloned()), row(1));
        let (table, kernel) = (content(factors.table)?, content(factors.kernel)?);
        let product = dense(self.program.semantics, factors.activation, table, kernel, of_input.as_ref())?;
        let product = self.weight(&format!("{}.product", name(factors.kernel)), product);
        let left = match (factors.bias, of_state) {
            (Some(bias), Some(of_state)) => self.weight(&format!("{}.state", name(bias)), of_state),
            _ => Operand::Absent,
        };
        Ok((product, left))
    }

    fn weight(&mut self, name: &str, tensor: Tensor) -> Operand {
        let hash = bind::hash(&tensor);
        let weight = self.rebuild.builder.weight(name, bind::type_of(&tensor), Some(hash));
        if let Some(value) = weight.value() {
            self.made.insert(self.rebuild.builder.program().result(value).name.clone(), tensor);
        }
        weight
    }
}

/// `activation(x · kernel + bias)`, as a run computes it.
fn dense(
    semantics: Semantics,
    activation: Activation,
    x: &Tensor,
    kernel: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor, PlanError> {
    let mut builder = Builder::new("product", semantics);
    let rows = builder.input("x", bind::type_of(x));
    let mut weights = BTreeMap::new();
    let mut weight = |name: &str, tensor: &Tensor| {
        weights.insert(name.to_owned(), tensor.clone());
        builder.weight(name, bind::type_of(tensor), None)
    };
    let kernel = weight("kernel", kernel);
    let bias = bias.map_or(Operand::Absent, |bias| weight("bias", bias));
    let y = builder.emit(Dense::Dense { activation }, &[rows, kernel, bias])?;
    builder.output("y", y);
    let planned = super::plan(&builder.finish(), 1, &weights, Provenance::default(), Growth::Bytes(0))?;
    let section = Section::copy(&planned.section());
    let session = Session::new(planned.plan, section).map_err(|error| PlanError::Product(error.into()))?;
    let ran = session.run(&mut State::default(), &[("x", x.clone())], Options::default());
    let mut outputs = ran.map_err(|error| PlanError::Product(error.into()))?.outputs;
    Ok(outputs.swap_remove(0).1)
}
