//! Formulas evaluated: the third reader of the notation, beside text and LaTeX.
//!
//! It knows nothing of tensors' operations: an index is a number, a sum is a loop, a name with indices is an equation
//! or an array. Elements are computed when they are asked for, and kept.

use std::collections::{BTreeMap, HashMap};

use masque::mathematics::{Equation, Fold, Formula, Var};
use masque_ir::activation::Activation;
use masque_ir::dim::{Bindings, Dim};
use masque_ir::ops::attend::Blind;
use masque_ir::ops::{Activate, Elementwise, Op};
use masque_ir::ty::DType;
use masque_runtime::{Tensor, reference};

use crate::compare::cast;

/// Why a formula has no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It holds a function that is not told in formulas.
    Whole,
    /// It takes more elements than a test has time for.
    Costly,
    /// It is wrong.
    Wrong(String),
}

/// Equations, and the arrays that they read.
pub struct Formulas<'a> {
    equations: HashMap<&'a str, Vec<&'a Equation>>,
    arrays: &'a BTreeMap<String, Tensor>,
    sizes: &'a Bindings,
    known: HashMap<(String, Vec<i64>), f64>,
    /// How many parts may still be looked at.
    budget: usize,
}

type Indices = Vec<(String, i64)>;

impl<'a> Formulas<'a> {
    /// Equations over arrays of f64 by name.
    pub fn new(
        equations: &'a [Equation],
        arrays: &'a BTreeMap<String, Tensor>,
        sizes: &'a Bindings,
    ) -> Formulas<'a> {
        let mut by_name: HashMap<&str, Vec<&Equation>> = HashMap::new();
        for equation in equations {
            if let Formula::Element(name, _) = &equation.left {
                by_name.entry(name).or_default().push(equation);
            }
        }
        Formulas { equations: by_name, arrays, sizes, known: HashMap::new(), budget: 400_000 }
    }

    /// Is there an equation of that name?
    pub fn defines(&self, name: &str) -> bool {
        self.equations.contains_key(name)
    }

    /// An element by its name.
    ///
    /// # Errors
    ///
    /// [`Unknown`]: why there is none.
    pub fn element(&mut self, name: &str, at: &[i64]) -> Result<f64, Unknown> {
        let key = (name.to_owned(), at.to_vec());
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let equations = self.equations.get(name).cloned().unwrap_or_default();
        let found =
            equations.iter().find_map(|equation| bound(&equation.left, at).map(|with| (*equation, with)));
        let number = match (found, self.arrays.get(name)) {
            (Some((equation, mut with)), _) => self.number(&equation.right, &mut with)?,
            (None, Some(array)) => {
                read(array, at).ok_or_else(|| Unknown::Wrong(format!("{name}{at:?} is outside")))?
            }
            (None, None) if name == "true" => 1.0,
            (None, None) if name == "false" => 0.0,
            (None, None) if name.starts_with("constant") => return Err(Unknown::Whole),
            (None, None) => return Err(Unknown::Wrong(format!("nothing says what {name}{at:?} is"))),
        };
        self.known.insert(key, number);
        Ok(number)
    }

    fn size(&self, size: &Dim) -> Result<i64, Unknown> {
        // How long the longest text of a batch is, only the run knows.
        size.eval(self.sizes).ok_or(Unknown::Whole)
    }

    fn number(&mut self, formula: &Formula, with: &mut Indices) -> Result<f64, Unknown> {
        self.budget = self.budget.checked_sub(1).ok_or(Unknown::Costly)?;
        match formula {
            Formula::Number(number) => Ok(*number),
            Formula::Index(var) => {
                let found = with.iter().rev().find(|(name, _)| *name == var.name);
                found
                    .map(|(_, at)| *at as f64)
                    .ok_or_else(|| Unknown::Wrong(format!("no index {}", var.name)))
            }
            Formula::Size(size) => Ok(self.size(size)? as f64),
            Formula::Element(name, at) => {
                let at =
                    at.iter().map(|at| Ok(self.number(at, with)? as i64)).collect::<Result<Vec<_>, _>>()?;
                self.element(name, &at)
            }
            Formula::Apply(op, of) => {
                let of = of.iter().map(|of| self.number(of, with)).collect::<Result<Vec<_>, _>>()?;
                applied(op, &of)
            }
            Formula::Activation(function, of) => {
                let of = self.number(of, with)?;
                Ok(activated(*function, &[of])?[0])
            }
            Formula::Fold { kind, over, given, of } => {
                let mut elements = vec![];
                self.each(over, with, &mut |all, with| {
                    let counts = given.as_ref().map_or(Ok(1.0), |given| all.number(given, with))?;
                    if counts != 0.0 {
                        elements.push(all.number(of, with)?);
                    }
                    Ok(())
                })?;
                Ok(folded(*kind, &elements))
            }
            Formula::Along { function, over, given, of } => self.along(*function, over, given, of, with),
            Formula::Cases(arms, otherwise) => {
                for (value, condition) in arms {
                    if self.number(condition, with)? != 0.0 {
                        return self.number(value, with);
                    }
                }
                self.number(otherwise, with)
            }
            Formula::Whole { .. } | Formula::Free => Err(Unknown::Whole),
        }
    }

    /// Does something for all values of indices.
    fn each(
        &mut self,
        over: &[Var],
        with: &mut Indices,
        act: &mut dyn FnMut(&mut Self, &mut Indices) -> Result<(), Unknown>,
    ) -> Result<(), Unknown> {
        let Some((var, rest)) = over.split_first() else { return act(self, with) };
        for at in 0..self.size(&var.size)? {
            with.push((var.name.clone(), at));
            let done = self.each(rest, with, act);
            with.pop();
            done?;
        }
        Ok(())
    }

    fn along(
        &mut self,
        function: Activation,
        over: &[Var],
        given: &Option<(Box<Formula>, Blind)>,
        of: &Formula,
        with: &mut Indices,
    ) -> Result<f64, Unknown> {
        let (mut place, mut elements, mut counts) = (0, vec![], vec![]);
        let here: Vec<Option<i64>> = over
            .iter()
            .map(|var| with.iter().rev().find(|(name, _)| *name == var.name).map(|(_, at)| *at))
            .collect();
        self.each(over, with, &mut |all, with| {
            let at: Vec<Option<i64>> =
                with[with.len() - over.len()..].iter().map(|(_, at)| Some(*at)).collect();
            place = if at == here { elements.len() } else { place };
            let counted = given.as_ref().map_or(Ok(1.0), |(given, _)| all.number(given, with))? != 0.0;
            counts.push(counted);
            elements.push(all.number(of, with)?);
            Ok(())
        })?;
        let Some((_, blind)) = given else {
            return Ok(activated(function, &elements)?[place]);
        };
        if counts.contains(&true) {
            let seen: Vec<f64> =
                elements.iter().zip(&counts).filter(|(_, counts)| **counts).map(|(x, _)| *x).collect();
            let before = counts[..place].iter().filter(|counts| **counts).count();
            return Ok(if counts[place] { activated(function, &seen)?[before] } else { 0.0 });
        }
        match blind {
            Blind::Nothing => Ok(0.0),
            Blind::Mean => Ok(1.0 / elements.len() as f64),
            Blind::Lowered => {
                let lowered: Vec<f64> = elements.iter().map(|x| f64::from(*x as f32 - 1e9)).collect();
                Ok(activated(function, &lowered)?[place])
            }
        }
    }
}

/// The indices on the left of an equation at an element, if the equation is about it.
fn bound(left: &Formula, at: &[i64]) -> Option<Indices> {
    let Formula::Element(_, index) = left else { return None };
    if index.len() != at.len() {
        return None;
    }
    let mut with = vec![];
    for (index, &at) in index.iter().zip(at) {
        match index {
            Formula::Index(var) if at >= 0 => with.push((var.name.clone(), at)),
            Formula::Number(number) if *number == at as f64 => {}
            _ => return None,
        }
    }
    Some(with)
}

/// An element of an array of f64.
fn read(array: &Tensor, at: &[i64]) -> Option<f64> {
    let at = at.iter().map(|&at| usize::try_from(at).ok()).collect::<Option<Vec<_>>>()?;
    array.as_f64()?.get(at.as_slice()).copied()
}

/// An activation function of a row of numbers.
fn activated(function: Activation, row: &[f64]) -> Result<Vec<f64>, Unknown> {
    let f = match function {
        Activation::Softmax { .. } => Activation::Softmax { axis: 0 },
        Activation::LogSoftmax { .. } => Activation::LogSoftmax { axis: 0 },
        Activation::Sparsemax { .. } => Activation::Sparsemax { axis: 0 },
        function => function,
    };
    let row = Tensor::from(ndarray::Array1::from(row.to_vec()).into_dyn());
    let op = Op::from(Activate::Activate { f });
    let found = reference::evaluate(&op, &[Some(row.view())], &Bindings::new());
    let found = found.map_err(|error| Unknown::Wrong(error.to_string()))?;
    let found = found.first().map(|found| cast(found, DType::F64));
    Ok(found
        .and_then(|found| found.as_f64().map(|found| found.iter().copied().collect()))
        .unwrap_or_default())
}

fn folded(kind: Fold, elements: &[f64]) -> f64 {
    let truth = |holds: bool| f64::from(u8::from(holds));
    let any_nan = elements.iter().any(|x| x.is_nan());
    match kind {
        Fold::Sum => elements.iter().sum(),
        Fold::Product => elements.iter().product(),
        Fold::Max | Fold::Min if any_nan => f64::NAN,
        Fold::Max => elements.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Fold::Min => elements.iter().copied().fold(f64::INFINITY, f64::min),
        Fold::Mean => elements.iter().sum::<f64>() / elements.len() as f64,
        Fold::Any => truth(elements.iter().any(|x| *x != 0.0)),
        Fold::All => truth(elements.iter().all(|x| *x != 0.0)),
        Fold::Count => elements.iter().filter(|x| **x != 0.0).count() as f64,
    }
}

fn applied(op: &Elementwise, of: &[f64]) -> Result<f64, Unknown> {
    use Elementwise::*;
    let truth = |holds: bool| f64::from(u8::from(holds));
    let nan = |number: f64| if of.iter().any(|x| x.is_nan()) { f64::NAN } else { number };
    let one = |f: fn(f64) -> f64| Ok(f(of[0]));
    let [a, b] = [of[0], of.get(1).copied().unwrap_or(f64::NAN)];
    match op {
        Neg => Ok(-a),
        Abs => one(f64::abs),
        Sign => Ok(if a == 0.0 || a.is_nan() { a } else { a.signum() }),
        Exp => one(f64::exp),
        Log => one(f64::ln),
        Sqrt => one(f64::sqrt),
        Tanh => one(f64::tanh),
        Sin => one(f64::sin),
        Cos => one(f64::cos),
        Floor => one(f64::floor),
        Add => Ok(a + b),
        Sub => Ok(a - b),
        Mul => Ok(a * b),
        Div => Ok(a / b),
        Pow => Ok(a.powf(b)),
        Mod => Ok(a - b * (a / b).floor()),
        Atan2 => Ok(a.atan2(b)),
        FloorDiv => Ok((a / b).floor()),
        Max => Ok(nan(a.max(b))),
        Min => Ok(nan(a.min(b))),
        Eq => Ok(truth(a == b)),
        Ne => Ok(truth(a != b)),
        Lt => Ok(truth(a < b)),
        Le => Ok(truth(a <= b)),
        Gt => Ok(truth(a > b)),
        Ge => Ok(truth(a >= b)),
        And => Ok(truth(a != 0.0 && b != 0.0)),
        Or => Ok(truth(a != 0.0 || b != 0.0)),
        Not => Ok(truth(a == 0.0)),
        Cast { .. } => one(f64::trunc),
        Gcd | BitAnd | Erf | Select => Err(Unknown::Whole),
    }
}
