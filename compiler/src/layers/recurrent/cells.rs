//! Cells, one upon the other: `SimpleRNNCell`, `LSTMCell`, `GRUCell`, `StackedRNNCells`.
//!
//! At every step each cell reads what the cell below it gives at that step, and one mask holds for all of them. That
//! is a layer upon a layer: where a step is masked a layer repeats an output that the layer above, masked there as
//! well, does not look at. So a stack is a chain of the operations that a single cell is.

use masque_ir::activation::Activation;
use masque_ir::ops::{self, OpError, RecurrentOptions, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};
use serde_json::{Map, Value as Json, json};

use super::{Steps, Walk};
use crate::layer::{Config, ConfigError, KernelCondition, Scope, ShapeError, WeightSpec};
use crate::layers::CALLED_INSIDE;

/// The classes of cells: the name in a weights file, and the layer that is such a cell alone.
const CELLS: [(&str, &str, &str); 3] = [
    ("GRUCell", "gru_cell", "GRU"),
    ("LSTMCell", "lstm_cell", "LSTM"),
    ("SimpleRNNCell", "simple_rnn_cell", "SimpleRNN"),
];

/// One cell.
#[derive(Clone, Debug)]
struct Cell {
    op: ops::Recurrent,
    units: i64,
    use_bias: bool,
    /// Nothing at inference but what kernel Keras takes.
    recurrent_dropout: bool,
    /// What its weights' names begin with.
    name: String,
    /// The group of its weights in a file, below the layer's.
    group: String,
}

impl Cell {
    /// Reads the settings of the layer that is such a cell alone, or of the cell.
    fn parse(class: &str, config: &mut Config, name: &str, group: &str) -> Result<Cell, ConfigError> {
        config.ignore(&["dropout", "implementation", "unit_forget_bias"]);
        let recurrent_dropout =
            config.take("recurrent_dropout").is_some_and(|rate| rate.as_f64() != Some(0.0));
        let units = config.size("units")?;
        let use_bias = config.bool("use_bias", true)?;
        let activation = config.activation("activation", Activation::Tanh)?;
        let options = RecurrentOptions {
            activation,
            sequences: false,
            states: false,
            backwards: false,
            in_order: false,
            zero_masked: false,
        };
        let op = match class {
            "SimpleRNN" => ops::Recurrent::SimpleRnn { options },
            _ => {
                let recurrent_activation = config.activation("recurrent_activation", Activation::Sigmoid)?;
                match class {
                    "LSTM" => ops::Recurrent::Lstm { options, recurrent_activation },
                    _ => {
                        let reset_after = config.bool("reset_after", true)?;
                        ops::Recurrent::Gru { options, recurrent_activation, reset_after }
                    }
                }
            }
        };
        Ok(Cell { op, units, use_bias, recurrent_dropout, name: name.to_owned(), group: group.to_owned() })
    }

    fn weights(&self, features: i64) -> Vec<WeightSpec> {
        let columns = self.units * self.op.gates();
        let spec = |name: &str, place: u32, shape: Vec<i64>| {
            WeightSpec::new(&format!("{}{name}", self.name), &format!("{}/vars/{place}", self.group), shape)
        };
        let mut weights = vec![
            spec("kernel", 0, vec![features, columns]),
            spec("recurrent_kernel", 1, vec![self.units, columns]),
        ];
        if self.use_bias {
            let rows = matches!(self.op, ops::Recurrent::Gru { reset_after: true, .. }).then_some(2);
            weights.push(spec("bias", 2, rows.into_iter().chain([columns]).collect()));
        }
        weights
    }
}

/// The cells of a layer, the first one at the bottom; never none.
#[derive(Debug)]
pub(super) struct Stack {
    cells: Vec<Cell>,
    /// Is it a layer of its own, and not an `RNN` over cells?
    layer: bool,
}

impl Stack {
    /// The only cell of a `SimpleRNN`, `LSTM` or `GRU`.
    pub(super) fn single(class: &str, config: &mut Config) -> Result<Stack, ConfigError> {
        Ok(Stack { cells: vec![Cell::parse(class, config, "", "cell")?], layer: true })
    }

    /// The cells of an `RNN`.
    pub(super) fn parse(config: &mut Config) -> Result<Stack, ConfigError> {
        let mut stack = Stack { cells: vec![], layer: false };
        let inner = config.layer("cell")?;
        let kept = stack.add(inner, "cell", "", "cell")?;
        config.keep("cell", kept);
        match stack.cells.is_empty() {
            true => Err(ConfigError::new("cell", "at least one cell", &"none".into())),
            false => Ok(stack),
        }
    }

    /// Adds a cell, or all cells of a stack; gives the settings to be kept. `key` is the setting that holds it.
    fn add(
        &mut self,
        (class, settings): (String, Map<String, Json>),
        key: &str,
        name: &str,
        group: &str,
    ) -> Result<Json, ConfigError> {
        let inside = |mut error: ConfigError| {
            error.field = format!("{key}.{}", error.field);
            error
        };
        let mut config = Config::new(settings).map_err(inside)?;
        match CELLS.iter().find(|(known, ..)| *known == class) {
            Some((_, _, layer)) => {
                self.cells.push(Cell::parse(layer, &mut config, name, group).map_err(inside)?);
            }
            None if class == "StackedRNNCells" => {
                let kept = self.add_all(&mut config, name, group).map_err(inside)?;
                config.keep("cells", kept);
            }
            None => {
                let known = CELLS.map(|(class, ..)| class).join(", ");
                let expected = format!("{known} or StackedRNNCells");
                return Err(ConfigError::custom(key, expected, &class.into(), CALLED_INSIDE));
            }
        }
        Ok(json!({"class_name": class, "config": config.finish().map_err(inside)?}))
    }

    /// Adds the cells of a stack. A file numbers those of a class, from the second on.
    fn add_all(&mut self, config: &mut Config, name: &str, group: &str) -> Result<Vec<Json>, ConfigError> {
        let cells = config.take("cells").unwrap_or(Json::Null);
        let Json::Array(cells) = cells else { return Err(ConfigError::new("cells", "a list", &cells)) };
        let (mut seen, mut kept) = (vec![], vec![]);
        for (place, cell) in cells.into_iter().enumerate() {
            let key = format!("cells.{place}");
            let mut one = Config::new(Map::from_iter([(key.clone(), cell)]))?;
            let (class, settings) = one.layer(&key)?;
            let word =
                CELLS.iter().find(|(known, ..)| *known == class).map_or("stacked_rnn_cells", |row| row.1);
            let before = seen.iter().filter(|other| **other == word).count();
            seen.push(word);
            let number = if before == 0 { String::new() } else { format!("_{before}") };
            let group = format!("{group}/cells/{word}{number}");
            kept.push(self.add((class, settings), &key, &format!("{name}cells/{place}/"), &group)?);
        }
        Ok(kept)
    }
}

impl Steps for Stack {
    /// Keras 3 on TensorFlow. A mask is no condition: the kernel takes it if it turns out to be padding at the end.
    fn gpu_kernel(&self) -> Option<Vec<KernelCondition>> {
        let [cell] = self.cells.as_slice() else { return None };
        let gate = match &cell.op {
            ops::Recurrent::Lstm { recurrent_activation, .. }
            | ops::Recurrent::Gru { recurrent_activation, .. }
                if self.layer =>
            {
                recurrent_activation
            }
            _ => return None,
        };
        let mut conditions = vec![
            KernelCondition::new("activation=\"tanh\"", cell.op.options().activation == Activation::Tanh),
            KernelCondition::new("recurrent_activation=\"sigmoid\"", *gate == Activation::Sigmoid),
            KernelCondition::new("recurrent_dropout=0", !cell.recurrent_dropout),
            KernelCondition::new("use_bias=True", cell.use_bias),
        ];
        if let ops::Recurrent::Gru { reset_after, .. } = &cell.op {
            conditions.push(KernelCondition::new("reset_after=True", *reset_after));
        }
        Some(conditions)
    }

    fn count(&self) -> usize {
        self.cells.iter().map(|cell| cell.op.states()).sum()
    }

    /// What a cell reads of the one below goes on where that one's states are held.
    fn holds_parts(&self) -> bool {
        self.cells.len() == 1
    }

    fn shown(&self) -> usize {
        self.count() - self.cells.last().map_or(0, |cell| cell.op.states())
    }

    fn states(&self, x: &Type) -> Result<Vec<Type>, ShapeError> {
        features(x)?;
        let states = self.cells.iter().flat_map(|cell| {
            let state = Type::new(DType::F32, vec![x.shape[0].clone(), Dim::constant(cell.units)]);
            std::iter::repeat_n(state, cell.op.states())
        });
        Ok(states.collect())
    }

    fn weights(&self, x: &Type) -> Result<Vec<WeightSpec>, ShapeError> {
        let mut features = features(x)?;
        let mut weights = vec![];
        for cell in &self.cells {
            weights.extend(cell.weights(features));
            features = cell.units;
        }
        Ok(weights)
    }

    fn run(
        &self,
        scope: &mut Scope<'_>,
        x: &Operand,
        mask: &Operand,
        initial: &[Operand],
        walk: &Walk,
    ) -> Result<Vec<Operand>, OpError> {
        let (mut x, mut mask) = (x.clone(), mask.clone());
        // The outputs of a walk backwards come in the order of its steps: the cells above walk on in that order.
        let turned = walk.backwards && self.cells.len() > 1;
        if turned {
            for sequence in [&mut x, &mut mask] {
                if *sequence != Operand::Absent {
                    *sequence =
                        scope.builder.emit(Shape::Reverse { axis: 1 }, std::slice::from_ref(sequence))?;
                }
            }
        }
        let (mut states, mut initial) = (vec![], initial.iter());
        for (place, cell) in self.cells.iter().enumerate() {
            let last = place + 1 == self.cells.len();
            let mut op = cell.op.clone();
            let options = op.options_mut();
            options.sequences = !last || walk.sequences;
            options.states = walk.states;
            options.backwards = walk.backwards && !turned;
            options.zero_masked = last && walk.zero_masked;
            let weights = ["kernel", "recurrent_kernel", "bias"];
            let weights = weights.map(|name| scope.weight(&format!("{}{name}", cell.name)));
            let mut operands = vec![x];
            operands.extend(weights);
            operands.push(mask.clone());
            operands.extend(initial.by_ref().take(cell.op.states()).cloned());
            operands.extend([Operand::Absent, Operand::Absent]);
            let mut results = scope.builder.emit_all(op, &operands)?;
            x = results.remove(0);
            states.extend(results);
        }
        Ok(std::iter::once(x).chain(states).collect())
    }
}

/// The size of the last axis, which must be known.
fn features(x: &Type) -> Result<i64, ShapeError> {
    let last = x.shape.last().and_then(Dim::known).filter(|_| x.rank() == 3);
    last.ok_or_else(|| ShapeError::new("numbers [batch, steps, features], features of known size", x))
}
