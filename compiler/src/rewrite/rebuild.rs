//! The program of the chosen forms.
//!
//! Inputs and states come first, all of them, in order; what else is needed follows in the order of the old program. A value
//! has the name that the old program gave it; of several values that turned out to be one, the first layer's name
//! stays, or else the first step's. Inputs, states and weights are called by their names, and always keep them.

use std::cell::OnceCell;
use std::collections::HashSet;

use egg::{Id, Language};
use masque_ir::ops::{Leaf, Op};
use masque_ir::program::{Node, Operand, Program, ProgramOutput, ResultInfo, Value};

use super::by_class::ByClass;
use super::extract::Choices;
use super::facts::operation;
use super::term::Term;
use super::{Graph, Places, canonical};

pub(super) fn rebuild(program: &Program, graph: &Graph, places: &Places, choices: &Choices<'_>) -> Program {
    let origins = origins(program, graph, places);
    let mut rebuild = Rebuild {
        program,
        graph,
        choices,
        origins,
        names: OnceCell::new(),
        built: ByClass::default(),
        nodes: Vec::with_capacity(program.nodes.len()),
    };
    for (value, _) in program.inputs().chain(program.states()) {
        places.class(graph, value).into_iter().for_each(|class| rebuild.build(class));
    }
    for class in places.classes.iter().flatten() {
        rebuild.build(graph.find(*class));
    }
    rebuild.annotate_masks(places);
    let operand = |operand: &Operand| match operand.value().and_then(|value| places.class(graph, value)) {
        Some(class) => rebuild.built[class].clone(),
        None => operand.clone(),
    };
    let outputs = program.outputs.iter();
    let outputs =
        outputs.map(|output| ProgramOutput { name: output.name.clone(), operand: operand(&output.operand) });
    sweep(Program {
        name: program.name.clone(),
        semantics: program.semantics,
        outputs: outputs.collect(),
        nodes: rebuild.nodes,
    })
}

/// By class: the value of the old program whose name and mask it has.
fn origins(program: &Program, graph: &Graph, places: &Places) -> ByClass<Value> {
    let mut origins: ByClass<Value> = ByClass::default();
    for (node, classes) in places.classes.iter().enumerate() {
        for (result, class) in classes.iter().enumerate() {
            let value = Value { node: node as u32, result: result as u32 };
            let known = origins.entry(graph.find(*class)).get_or_insert(value);
            if weight_of_name(program, value) > weight_of_name(program, *known) {
                *known = value;
            }
        }
    }
    origins
}

/// What is called by its name keeps it; a layer's name says more than that of a step within it.
fn weight_of_name(program: &Program, value: Value) -> u8 {
    match &program.nodes[value.node as usize].op {
        Op::Leaf(Leaf::Input { .. } | Leaf::State { .. } | Leaf::Weight { .. }) => 2,
        _ => u8::from(!program.result(value).name.contains('/')),
    }
}

struct Rebuild<'a> {
    program: &'a Program,
    graph: &'a Graph,
    choices: &'a Choices<'a>,
    origins: ByClass<Value>,
    /// The names of the old program, once a new one is needed.
    names: OnceCell<HashSet<&'a str>>,
    built: ByClass<Operand>,
    nodes: Vec<Node>,
}

impl Rebuild<'_> {
    /// Builds a class and all that its chosen form is made of, parts first.
    fn build(&mut self, class: Id) {
        let mut open = vec![class];
        while let Some(&class) = open.last() {
            if self.built.contains(class) {
                open.pop();
                continue;
            }
            let term = self.choices[class];
            let parts = term.children().iter().rev().map(|child| self.graph.find(*child));
            let before = open.len();
            open.extend(parts.filter(|part| !self.built.contains(*part)));
            if open.len() == before {
                let operand = self.emit(class, term);
                self.built.insert(class, operand);
                open.pop();
            }
        }
    }

    fn emit(&mut self, class: Id, term: &Term) -> Operand {
        let (op, operands) = match term {
            // Attributes are no operands: they are read where they are applied.
            Term::Absent | Term::Attributes(_) | Term::Outputs(_) => return Operand::Absent,
            Term::Literal(literal) => return Operand::Literal(*literal),
            Term::Result(result, whole) => {
                let whole = self.built[self.graph.find(*whole)].value();
                return whole.map_or(Operand::Absent, |value| {
                    Operand::Value(Value { node: value.node, result: *result })
                });
            }
            Term::Leaf(leaf) => (Op::Leaf(leaf.1.clone()), &[][..]),
            Term::Apply(mnemonic, children) => {
                let (op, operands) = operation(self.graph, mnemonic, children);
                (op, &children[..operands])
            }
        };
        let operands = operands.iter().map(|child| self.built[self.graph.find(*child)].clone()).collect();
        let results = self.results(class, &op);
        let node = self.nodes.len() as u32;
        self.nodes.push(Node { op, operands, results });
        Operand::Value(Value { node, result: 0 })
    }

    /// The results of a node, each with the name of its own class.
    fn results(&self, class: Id, op: &Op) -> Vec<ResultInfo> {
        let types = &self.graph[class].data.types;
        let result = |(result, ty): (usize, &masque_ir::Type)| {
            let own = if types.len() == 1 { Some(class) } else { self.result_class(result as u32, class) };
            let origin = own.and_then(|own| self.origins.get(own));
            let name = origin.map(|value| self.program.result(*value).name.clone());
            let name = name.unwrap_or_else(|| self.fresh(op.info().mnemonic, result));
            ResultInfo { name, ty: ty.clone(), mask: None }
        };
        types.iter().enumerate().map(result).collect()
    }

    /// The class of one of several results, if it is this result that stands for the class.
    fn result_class(&self, result: u32, whole: Id) -> Option<Id> {
        let term = Term::Result(result, whole);
        let class = self.graph.lookup(term.clone())?;
        (canonical(self.graph, self.choices[class]) == term).then_some(class)
    }

    /// A name that the old program did not have. Nodes are counted, so that it is given once.
    fn fresh(&self, mnemonic: &str, result: usize) -> String {
        let results = self.program.nodes.iter().flat_map(|node| &node.results);
        let names = self.names.get_or_init(|| results.map(|result| result.name.as_str()).collect());
        let mut name = format!("new/{mnemonic}.{}.{result}", self.nodes.len());
        while names.contains(name.as_str()) {
            name.push('_');
        }
        name
    }

    /// Writes the masks beside the values, where they were built before them.
    fn annotate_masks(&mut self, places: &Places) {
        let classes = places.classes.iter().flatten().map(|class| self.graph.find(*class));
        for class in classes.collect::<Vec<Id>>() {
            let mask = self.program.result(self.origins[class]).mask;
            let mask = mask.and_then(|mask| places.class(self.graph, mask));
            let mask = mask.and_then(|mask| self.built[mask].value());
            if let (Some(value), Some(mask)) = (self.built[class].value(), mask)
                && mask.node < value.node
            {
                self.nodes[value.node as usize].results[value.result as usize].mask = Some(mask);
            }
        }
    }
}

/// Leaves out the nodes that neither outputs nor masks need; the inputs and states stay.
fn sweep(mut program: Program) -> Program {
    let live = program.live(true);
    let (mut places, mut kept): (Vec<u32>, u32) = (Vec::with_capacity(live.len()), 0);
    program.nodes.retain_mut(|node| {
        let live = live[places.len()];
        places.push(kept);
        if !live {
            if !matches!(&node.op, Op::Leaf(leaf) if leaf.is_given()) {
                return false;
            }
            node.results.iter_mut().for_each(|result| result.mask = None);
        }
        let masks = node.results.iter_mut().filter_map(|result| result.mask.as_mut());
        masks.chain(node.operands.iter_mut().filter_map(value_of)).for_each(|value| moved(value, &places));
        kept += 1;
        true
    });
    let outputs = program.outputs.iter_mut().filter_map(|output| value_of(&mut output.operand));
    outputs.for_each(|value| moved(value, &places));
    program
}

fn value_of(operand: &mut Operand) -> Option<&mut Value> {
    match operand {
        Operand::Value(value) => Some(value),
        _ => None,
    }
}

fn moved(value: &mut Value, places: &[u32]) {
    value.node = places[value.node as usize];
}
