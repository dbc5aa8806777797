//! One element of what an operation gives, by elements of its operands.

use masque_ir::dim::Dim;
use masque_ir::ops::{Elementwise, Index, Leaf, Lookup, Op, Product, Reduce, Shape, Window};
use masque_ir::program::{Node, Operand, Value};
use masque_ir::ty::{DType, Type};

use super::equations::Equations;
use super::formula::{Fold, Formula, Var};
use super::indices::{aligned, letters, plus, reshaped, scaled};
use super::known;

impl Equations<'_> {
    /// An element of a value, by how it is made.
    pub(super) fn produced(&mut self, frame: usize, value: Value, index: &[Formula]) -> Formula {
        if let Some(softmax) = self.softmax(frame, value) {
            return self.along(frame, softmax, index);
        }
        if let Some((function, inner)) = self.activation(frame, value) {
            let inner = self.element(frame, &inner, index.to_vec());
            return Formula::Activation(function, Box::new(inner));
        }
        if let Some(sum) = self.attended(frame, value) {
            return self.element(frame, &sum, index.to_vec());
        }
        let node = self.frames[frame].node(value);
        let depth = self.scope.len();
        let formula = match &node.op {
            Op::Leaf(leaf) => self.leaf(frame, value, leaf, index),
            Op::Elementwise(op) => self.elementwise(frame, value, op, index),
            Op::Reduce(op) => self.reduced(frame, node, op, index),
            Op::Shape(op) => self.shaped(frame, node, op, index),
            Op::Index(op) => self.picked(frame, node, op, index),
            Op::Product(op) => self.product(frame, node, op, index),
            Op::Window(op) => self.window(frame, node, op, index),
            Op::Scan(scan) => self.looped(frame, value, scan, index),
            _ => self.whole(frame, node, index),
        };
        self.scope.truncate(depth);
        formula
    }

    fn leaf(&mut self, frame: usize, value: Value, leaf: &Leaf, index: &[Formula]) -> Formula {
        let Leaf::Constant { values, ty } = leaf else {
            let name = self.frames[frame].program.result(value).name.clone();
            return Formula::Element(name, index.to_vec());
        };
        if let Some(first) = values.first().filter(|first| values.iter().all(|other| other == *first)) {
            return Formula::number(ty.dtype, first.0);
        }
        let name = match self.constants.get(&(frame, value)) {
            Some(name) => name.clone(),
            None => {
                let name = self.name(Some("constant"));
                self.constant(&name, ty, values.iter().map(|value| value.0));
                self.constants.insert((frame, value), name.clone());
                name
            }
        };
        Formula::Element(name, index.to_vec())
    }

    /// Says what a constant is: its type, and its elements where they are few.
    fn constant(&mut self, name: &str, ty: &Type, values: impl ExactSizeIterator<Item = f64>) {
        let shown = match values.len() {
            0..=8 => {
                let values: Vec<String> =
                    values.map(|value| Formula::Number(value).text(super::print::Form::Plain)).collect();
                format!(" ({})", values.join(", "))
            }
            _ => String::new(),
        };
        self.note(&format!("`{name}` is a constant {ty}{shown}."));
    }

    fn elementwise(&mut self, frame: usize, value: Value, op: &Elementwise, index: &[Formula]) -> Formula {
        let node = self.frames[frame].node(value);
        let result = node.results[0].ty.clone();
        let types: Vec<Type> = node.operands.iter().map(|operand| self.frames[frame].ty(operand)).collect();
        let indices = types.iter().map(|ty| aligned(index, ty, &result));
        let of: Vec<(&Operand, Vec<Formula>)> = node.operands.iter().zip(indices).collect();
        let mut parts = self.elements(frame, &of);
        match op {
            Elementwise::Cast { to } => cast(parts.swap_remove(0), types[0].dtype, *to),
            Elementwise::Select => {
                let (otherwise, chosen, condition) = (parts.pop(), parts.pop(), parts.pop());
                cases(vec![(chosen, condition)], otherwise)
            }
            op => Formula::apply(op.clone(), parts),
        }
    }

    fn reduced(&mut self, frame: usize, node: &Node, op: &Reduce, index: &[Formula]) -> Formula {
        let kind = match op {
            Reduce::Sum { .. } => Fold::Sum,
            Reduce::Product { .. } => Fold::Product,
            Reduce::ReduceMax { .. } => Fold::Max,
            Reduce::ReduceMin { .. } => Fold::Min,
            Reduce::Any { .. } => Fold::Any,
            Reduce::All { .. } => Fold::All,
        };
        let (axes, keep) = op.axes();
        let ty = self.frames[frame].ty(&node.operands[0]);
        let wanted = letters(&ty);
        let (mut at, mut over, mut place) = (vec![], vec![], 0);
        for (axis, size) in ty.shape.iter().enumerate() {
            if !axes.contains(&(axis as u32)) {
                at.push(index.get(place).cloned().unwrap_or(Formula::Number(0.0)));
                place += 1;
                continue;
            }
            place += usize::from(keep);
            at.push(self.running(wanted[axis], size, &mut over));
        }
        let of = self.folded(frame, &[(&node.operands[0], at)]).swap_remove(0);
        Formula::fold(kind, over, of)
    }

    /// An index that runs along an axis; one position needs none.
    pub(super) fn running(&mut self, wanted: &str, size: &Dim, over: &mut Vec<Var>) -> Formula {
        if size.is_one() {
            return Formula::Number(0.0);
        }
        let var = self.bound(wanted, size);
        over.push(var.clone());
        Formula::Index(var)
    }

    fn shaped(&mut self, frame: usize, node: &Node, op: &Shape, index: &[Formula]) -> Formula {
        let Some(x) = node.operands.first() else { return Formula::Number(0.0) };
        let ty = self.frames[frame].ty(x);
        let result = &node.results[0].ty;
        let mut at = index.to_vec();
        match op {
            Shape::Reshape { .. } => at = reshaped(index, &result.shape, &ty.shape),
            Shape::Transpose { perm } => {
                for (axis, &from) in perm.iter().enumerate() {
                    at[from as usize] = index[axis].clone();
                }
            }
            Shape::Broadcast { .. } => at = aligned(index, &ty, result),
            Shape::Slice { axis, start, step, .. } => {
                let axis = *axis as usize;
                at[axis] = scaled(at[axis].clone(), &Dim::constant((*step).into()), start);
            }
            Shape::Reverse { axis } => {
                let axis = *axis as usize;
                let last = Formula::size(&(&ty.shape[axis] - &Dim::constant(1)));
                at[axis] = Formula::apply(Elementwise::Sub, vec![last, at[axis].clone()]);
            }
            Shape::Positions { .. } => return at.swap_remove(0),
            Shape::Size { axes } => {
                let sizes = axes.iter().map(|&axis| &ty.shape[axis as usize]);
                return Formula::size(&sizes.fold(Dim::constant(1), |product, size| &product * size));
            }
            Shape::Concat { axis } => return self.joined(frame, node, *axis as usize, index),
            Shape::Pad { low, spread, .. } => return self.padded(frame, node, low, spread, index),
        }
        self.element(frame, x, at)
    }

    fn joined(&mut self, frame: usize, node: &Node, axis: usize, index: &[Formula]) -> Formula {
        let (mut arms, mut start) = (vec![], Dim::constant(0));
        for part in &node.operands {
            let size = self.frames[frame].ty(part).shape[axis].clone();
            let end = &start + &size;
            let mut at = index.to_vec();
            at[axis] = Formula::apply(Elementwise::Sub, vec![at[axis].clone(), Formula::size(&start)]);
            // Which part a known position is of needs no cases.
            if let Formula::Number(number) = index[axis] {
                let within = end.known().is_some_and(|end| number < end as f64);
                if within {
                    return self.element(frame, part, at);
                }
            }
            let value = self.elements(frame, &[(part, at)]).swap_remove(0);
            let below = Formula::Apply(Elementwise::Lt, vec![index[axis].clone(), Formula::size(&end)]);
            arms.push((Some(value), Some(below)));
            start = end;
        }
        let otherwise = arms.pop().and_then(|(value, _)| value);
        cases(arms, otherwise)
    }

    fn padded(
        &mut self,
        frame: usize,
        node: &Node,
        low: &[i64],
        spread: &[u32],
        index: &[Formula],
    ) -> Formula {
        let ty = self.frames[frame].ty(&node.operands[0]);
        let (mut at, mut inside) = (vec![], None);
        for (axis, position) in index.iter().enumerate() {
            let shifted = plus(position.clone(), Formula::size(&Dim::constant(low[axis].saturating_neg())));
            let by = Formula::Number(f64::from(spread[axis]) + 1.0);
            let source = Formula::apply(Elementwise::FloorDiv, vec![shifted.clone(), by.clone()]);
            if spread[axis] > 0 {
                let rest = Formula::apply(Elementwise::Mod, vec![shifted, by]);
                if rest != Formula::Number(0.0) {
                    let hits = Formula::Apply(Elementwise::Eq, vec![rest, Formula::Number(0.0)]);
                    inside = Formula::both(inside, Some(hits));
                }
            }
            inside = Formula::both(inside, Formula::inside(&source, &ty.shape[axis]));
            at.push(source);
        }
        let value = self.element(frame, &node.operands[0], at);
        let Some(inside) = inside else { return value };
        let around = self.element(frame, &node.operands[1], vec![]);
        cases(vec![(Some(value), Some(inside))], Some(around))
    }

    fn picked(&mut self, frame: usize, node: &Node, op: &Index, index: &[Formula]) -> Formula {
        let [x, places] = node.operands.as_slice() else { return self.whole(frame, node, index) };
        match op {
            Index::Gather => {
                let rank = self.frames[frame].ty(places).rank();
                let place = self.element(frame, places, index[..rank].to_vec());
                let at = std::iter::once(place).chain(index[rank..].iter().cloned()).collect();
                self.element(frame, x, at)
            }
            Index::GatherAlong { axis } => {
                let mut at = index.to_vec();
                at[*axis as usize] = self.element(frame, places, index.to_vec());
                self.element(frame, x, at)
            }
            Index::Order { .. } => self.whole(frame, node, index),
        }
    }

    fn product(&mut self, frame: usize, node: &Node, op: &Product, index: &[Formula]) -> Formula {
        let (a, b) = (&node.operands[0], &node.operands[1]);
        let types = [self.frames[frame].ty(a), self.frames[frame].ty(b)];
        let seen = a.value().is_some_and(|a| self.softmax(frame, a).is_some());
        let mut over = vec![];
        let indices = match op {
            Product::Matmul => {
                let (last, front) = index
                    .split_last()
                    .map_or((Formula::Number(0.0), &[][..]), |(last, front)| (last.clone(), front));
                let inner = self.running("j", &types[1].shape[0], &mut over);
                let left = front.iter().cloned().chain([inner.clone()]).collect();
                [left, vec![inner, last]]
            }
            Product::Contract { axes } => {
                let mut at: Vec<(char, Formula)> = axes.result().chars().zip(index.iter().cloned()).collect();
                for (letters, ty) in [(axes.a(), &types[0]), (axes.b(), &types[1])] {
                    for (letter, size) in letters.chars().zip(ty.shape.iter()) {
                        if !at.iter().any(|(known, _)| *known == letter) {
                            let wanted =
                                if seen { "s".to_owned() } else { letter.to_ascii_lowercase().to_string() };
                            at.push((letter, self.running(&wanted, size, &mut over)));
                        }
                    }
                }
                let of = |letters: &str| {
                    let find = |letter| at.iter().find(|(known, _)| *known == letter);
                    letters
                        .chars()
                        .filter_map(|letter| find(letter).map(|(_, index)| index.clone()))
                        .collect()
                };
                [of(axes.a()), of(axes.b())]
            }
        };
        let [left, right] = indices;
        let value = self.seen(frame, a, b);
        self.weights_names(frame, a, &value);
        let parts = self.folded(frame, &[(a, left), (&value, right)]);
        Formula::fold(Fold::Sum, over, Formula::apply(Elementwise::Mul, parts))
    }

    fn window(&mut self, frame: usize, node: &Node, op: &Window, index: &[Formula]) -> Formula {
        let x = &node.operands[0];
        let ty = self.frames[frame].ty(x);
        match op {
            Window::SpreadMax { axis, size } | Window::SpreadMean { axis, size } => {
                let kind = if matches!(op, Window::SpreadMax { .. }) { Fold::Max } else { Fold::Mean };
                let (axis, size) = (*axis as usize, Dim::constant((*size).into()));
                let mut over = vec![];
                let at = self.running("k", &ty.shape[axis], &mut over);
                let given = spread(&index[axis], &at, &ty.shape[axis], &size);
                let mut within = index.to_vec();
                within[axis] = at;
                let of = self.folded(frame, &[(x, within)]).swap_remove(0);
                Formula::given(kind, over, given, of)
            }
            Window::WindowMax { window, strides, same } | Window::WindowMean { window, strides, same } => {
                let kind = if matches!(op, Window::WindowMax { .. }) { Fold::Max } else { Fold::Mean };
                let sizes: Vec<Dim> = window.iter().map(|&size| Dim::constant(size.into())).collect();
                let ones = vec![1; sizes.len()];
                let slid = Slid { sizes: &sizes, strides, dilation: &ones, same: *same };
                let (at, _, over, given) = self.slid(&slid, &ty, &node.results[0].ty, index);
                let of = self.folded(frame, &[(x, at)]).swap_remove(0);
                if over.is_empty() { of } else { Formula::given(kind, over, given, of) }
            }
            Window::Conv { strides, dilation, groups, same } => {
                let kernel = &node.operands[1];
                let shape = self.frames[frame].ty(kernel).shape;
                let (window, [inputs, outputs]) = shape.split_at(shape.len() - 2) else {
                    return self.whole(frame, node, index);
                };
                let slid = Slid { sizes: window, strides, dilation, same: *same };
                let (mut at, mut taps, mut over, given) = self.slid(&slid, &ty, &node.results[0].ty, index);
                let channel = self.running("c", inputs, &mut over);
                let (place, last) = (at.len() - 1, index[index.len() - 1].clone());
                let group = outputs.floor_div(i64::from(*groups).max(1));
                at[place] = match *groups {
                    1 => channel.clone(),
                    _ => {
                        let group =
                            Formula::apply(Elementwise::FloorDiv, vec![last.clone(), Formula::size(&group)]);
                        plus(scaled(group, inputs, &Dim::constant(0)), channel.clone())
                    }
                };
                taps.extend([channel, last]);
                let parts = self.folded(frame, &[(x, at), (kernel, taps)]);
                let product = Formula::apply(Elementwise::Mul, parts);
                match given {
                    Some(given) if over.is_empty() => {
                        cases(vec![(Some(product), Some(given))], Some(Formula::Number(0.0)))
                    }
                    Some(given) => {
                        let of = cases(vec![(Some(product), Some(given))], Some(Formula::Number(0.0)));
                        Formula::fold(Fold::Sum, over, of)
                    }
                    None => Formula::fold(Fold::Sum, over, product),
                }
            }
        }
    }

    /// The indices in `x` and in the window at a position of the result, the indices that run, and where they are
    /// inside of `x`.
    fn slid(
        &mut self,
        slid: &Slid<'_>,
        ty: &Type,
        result: &Type,
        index: &[Formula],
    ) -> (Vec<Formula>, Vec<Formula>, Vec<Var>, Option<Formula>) {
        let (mut at, mut taps, mut over, mut given) = (index.to_vec(), vec![], vec![], None);
        for (axis, size) in slid.sizes.iter().enumerate() {
            let tap = self.running(["k", "l", "m"][axis.min(2)], size, &mut over);
            let dilation = Dim::constant(slid.dilation[axis].into());
            let stride = Dim::constant(slid.strides[axis].into());
            let whole = &ty.shape[axis + 1];
            let mut position = plus(
                scaled(index[axis + 1].clone(), &stride, &Dim::constant(0)),
                scaled(tap.clone(), &dilation, &Dim::constant(0)),
            );
            if slid.same {
                let reach = &(size - &Dim::constant(1)) * &dilation;
                let steps = &(&result.shape[axis + 1] - &Dim::constant(1)) * &stride;
                let before = before(&(&(&steps + &reach) + &Dim::constant(1)), whole);
                position = Formula::apply(Elementwise::Sub, vec![position, before]);
                given = Formula::both(given, Formula::inside(&position, whole));
            }
            at[axis + 1] = position;
            taps.push(tap);
        }
        (at, taps, over, given)
    }

    /// A function without notation: which axes it leaves as they are is known, along the others it looks as a whole.
    fn whole(&mut self, frame: usize, node: &Node, index: &[Formula]) -> Formula {
        let types: Vec<Type> = node.operands.iter().map(|operand| self.frames[frame].ty(operand)).collect();
        let present: Vec<Option<&Type>> = node
            .operands
            .iter()
            .zip(&types)
            .map(|(operand, ty)| (*operand != Operand::Absent).then_some(ty))
            .collect();
        let along = match &node.op {
            Op::Index(Index::Order { axis }) => Some(*axis as usize),
            _ => None,
        };
        let roles = roles(node, &present);
        let (mut of, mut used) = (vec![], vec![false; index.len()]);
        for ((operand, ty), roles) in node.operands.iter().zip(&types).zip(roles) {
            if *operand == Operand::Absent {
                continue;
            }
            let at: Vec<Formula> = (0..ty.rank())
                .map(|axis| match roles.get(axis).copied().flatten().filter(|_| Some(axis) != along) {
                    Some(to) if to < index.len() => {
                        used[to] = true;
                        index[to].clone()
                    }
                    _ => Formula::Free,
                })
                .collect();
            of.push(self.named_element(frame, operand, at));
        }
        let at = index.iter().zip(used).filter(|(_, used)| !used).map(|(index, _)| index.clone()).collect();
        let settings = known::settings(&node.op);
        Formula::Whole { function: node.op.info().mnemonic.to_owned(), of, settings, at }
    }

    /// An element, or a row, of an operand that gets a name where it has none.
    fn named_element(&mut self, frame: usize, operand: &Operand, at: Vec<Formula>) -> Formula {
        let free = at.contains(&Formula::Free);
        if let Some(value) = operand.value().filter(|_| free)
            && !matches!(self.frames[frame].node(value).op, Op::Leaf(_))
        {
            self.hoist(frame, value, None, Some("x"));
        }
        self.element(frame, operand, at)
    }
}

/// A window that slides.
struct Slid<'a> {
    sizes: &'a [Dim],
    strides: &'a [u32],
    dilation: &'a [u32],
    same: bool,
}

/// Half of what the last window lacks, rounded down.
fn before(reached: &Dim, whole: &Dim) -> Formula {
    let lacks = reached - whole;
    match lacks.known() {
        Some(lacks) => Formula::Number((lacks.max(0) / 2) as f64),
        None => {
            let lacks = Formula::Apply(Elementwise::Max, vec![Formula::Size(lacks), Formula::Number(0.0)]);
            Formula::Apply(Elementwise::FloorDiv, vec![lacks, Formula::Number(2.0)])
        }
    }
}

/// Whether a position is in one of the windows that cover an axis evenly.
fn spread(window: &Formula, at: &Formula, whole: &Dim, windows: &Dim) -> Option<Formula> {
    let edge = |shift: Dim| {
        let place = scaled(window.clone(), whole, &shift);
        Formula::apply(Elementwise::FloorDiv, vec![place, Formula::size(windows)])
    };
    let low = edge(Dim::constant(0));
    let high = edge(&(whole + windows) - &Dim::constant(1));
    let above = Formula::Apply(Elementwise::Le, vec![low.clone(), at.clone()]);
    let below = Formula::Apply(Elementwise::Lt, vec![at.clone(), high.clone()]);
    let from_start = low == Formula::Number(0.0);
    let to_end = high == Formula::size(whole);
    Formula::both((!from_start).then_some(above), (!to_end).then_some(below))
}

/// A value under conditions; cases within the last one are further cases.
fn cases(arms: Vec<(Option<Formula>, Option<Formula>)>, otherwise: Option<Formula>) -> Formula {
    let mut arms: Vec<(Formula, Formula)> =
        arms.into_iter().filter_map(|(value, condition)| value.zip(condition)).collect();
    let otherwise = otherwise.unwrap_or(Formula::Number(0.0));
    while arms.last().is_some_and(|(value, _)| *value == otherwise) {
        arms.pop();
    }
    match otherwise {
        Formula::Cases(more, last) => Formula::Cases(arms.into_iter().chain(more).collect(), last),
        otherwise if arms.is_empty() => otherwise,
        otherwise => Formula::Cases(arms, Box::new(otherwise)),
    }
}

/// The same number as another type.
fn cast(x: Formula, from: DType, to: DType) -> Formula {
    match (from, to) {
        (DType::Bool, DType::Bool) => x,
        (DType::Bool, _) => Formula::Cases(vec![(Formula::Number(1.0), x)], Box::new(Formula::Number(0.0))),
        (_, DType::Bool) => Formula::Apply(Elementwise::Ne, vec![x, Formula::Number(0.0)]),
        (from, to) if from.is_float() && to.is_int() => Formula::Apply(Elementwise::Cast { to }, vec![x]),
        _ => x,
    }
}

/// For each axis of each operand: along which axis of the result it runs.
fn roles(node: &Node, types: &[Option<&Type>]) -> Vec<Vec<Option<usize>>> {
    use masque_ir::flow::{Flow, Role};
    // A list that is searched is searched as a whole.
    let list = matches!(node.op, Op::Lookup(Lookup::Find { .. }));
    match node.op.flow(types) {
        Flow::Joint(joint) => {
            let axis = |role: &Role| match role {
                Role::At(to) if (*to as usize) < joint.rank => Some(*to as usize),
                _ => None,
            };
            let all = joint.operands.iter().map(|roles| roles.iter().map(axis).collect());
            all.enumerate().map(|(place, roles)| if list && place > 0 { vec![] } else { roles }).collect()
        }
        _ => vec![vec![]; types.len()],
    }
}
