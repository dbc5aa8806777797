//! Repeated blocks: consecutive groups of calls that differ in nothing but names and numbering.
//!
//! They are found by structure. Two calls correspond if class, settings, constant arguments, types and masks are the same,
//! and if each tensor that they read is the corresponding one of their own block or of the block before, or the very same
//! tensor from before the first block. The first block may read anything in place of a block before it.

use std::collections::HashMap;
use std::ops::Range;

use masque_ir::facts::Facts;
use masque_ir::layers::{Argument, ArgumentValue, CallId, LayerGraph, LayerId, TensorRef};
use masque_ir::text::Fold;

/// A block of calls that is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Place of the first call of the first block, in execution order.
    pub start: usize,
    /// Number of calls in a block.
    pub calls: usize,
    /// Number of blocks, at least 2.
    pub times: usize,
    /// What the names of a block's calls begin with, without its number: `encoder/block`; empty if nothing.
    pub name: String,
}

impl Repeat {
    /// The places of all its calls.
    pub fn places(&self) -> Range<usize> {
        self.start..self.start + self.calls * self.times
    }

    /// The places of the calls of the other blocks that correspond to one of the first.
    fn others(&self, place: usize) -> impl Iterator<Item = usize> {
        (1..self.times).map(move |block| place + block * self.calls)
    }

    /// `12 × encoder_block (9 calls)`, or `12 × 9 calls`.
    pub fn title(&self) -> String {
        let calls = if self.calls == 1 { "1 call".to_owned() } else { format!("{} calls", self.calls) };
        match self.name.as_str() {
            "" => format!("{} × {calls}", self.times),
            name => format!("{} × {name} ({calls})", self.times),
        }
    }
}

/// Finds the repeated blocks of a graph, in order; none of them overlap. Blocks whose folding saves fewer than two calls
/// are left out.
pub fn of(graph: &LayerGraph, facts: Option<&Facts>) -> Vec<Repeat> {
    let blocks = Blocks::of(graph, facts);
    let (mut found, mut place) = (vec![], 0);
    while place < blocks.calls.len() {
        let Some(best) = blocks.best(place) else {
            place += 1;
            continue;
        };
        place = best.places().end;
        found.push(Repeat { name: name(graph, &best), ..best });
    }
    found
}

/// What a text leaves out, so that each block is shown once.
pub fn fold(repeats: &[Repeat]) -> Fold {
    let id = |place: usize| CallId(place as u32);
    let mut fold = Fold::default();
    for repeat in repeats {
        fold.titles.insert(id(repeat.start), repeat.title());
        for place in repeat.start..repeat.start + repeat.calls {
            fold.others.insert(id(place), repeat.others(place).map(id).collect());
        }
    }
    fold
}

/// What of a call is compared.
struct Compared {
    /// Number of everything that has to be the same; `None` for calls that are in no block.
    what: Option<usize>,
    layer: LayerId,
    /// The call of the same layer before this one.
    earlier: Option<usize>,
    reads: Vec<TensorRef>,
}

struct Blocks {
    calls: Vec<Compared>,
}

impl Blocks {
    fn of(graph: &LayerGraph, facts: Option<&Facts>) -> Blocks {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut last: HashMap<LayerId, usize> = HashMap::new();
        let calls = graph.calls().map(|id| {
            let call = graph.call(id);
            let next = numbers.len();
            let input = graph.layer_of(id).class == "InputLayer";
            Compared {
                what: (!input).then(|| *numbers.entry(described(graph, facts, id)).or_insert(next)),
                layer: call.layer,
                earlier: last.insert(call.layer, id.0 as usize),
                reads: call.arguments.iter().flat_map(|argument| argument.value.tensors()).collect(),
            }
        });
        Blocks { calls: calls.collect() }
    }

    /// The repetition beginning at a place that covers most calls, or the same one begun later in its first block, where
    /// fewer tensors go from block to block.
    fn best(&self, place: usize) -> Option<Repeat> {
        let longest = (self.calls.len() - place) / 2;
        let runs = (1..=longest).filter_map(|calls| self.run(place, calls));
        let best = runs.max_by_key(|run| (run.places().len(), std::cmp::Reverse(run.calls)))?;
        let turned = (place..place + best.calls).filter_map(|start| self.run(start, best.calls));
        turned.filter(|run| run.times == best.times).min_by_key(|run| (self.handed_over(run), run.start))
    }

    fn run(&self, start: usize, calls: usize) -> Option<Repeat> {
        let mut run = Repeat { start, calls, times: 1, name: String::new() };
        while self.repeats(&run) {
            run.times += 1;
        }
        (calls * (run.times - 1) >= 2).then_some(run)
    }

    /// Does another block follow those of a run?
    fn repeats(&self, run: &Repeat) -> bool {
        let last = run.places().end - run.calls;
        run.places().end + run.calls <= self.calls.len()
            && (last..last + run.calls).all(|place| self.corresponds(run, place))
    }

    /// Does the call after a block's length correspond to the one in a run's last block?
    fn corresponds(&self, run: &Repeat, place: usize) -> bool {
        let (one, other) = (&self.calls[place], &self.calls[place + run.calls]);
        one.what.is_some()
            && one.what == other.what
            && one.reads.len() == other.reads.len()
            && one.reads.iter().zip(&other.reads).all(|(one, other)| run.follows(*one, *other))
            && self.shares(run, place)
    }

    /// Are layers shared between the blocks as between the first two, and within them as within the first?
    fn shares(&self, run: &Repeat, place: usize) -> bool {
        let within = (place - run.start) % run.calls;
        let same = |one: usize| self.calls[one].layer == self.calls[one + run.calls].layer;
        let first = run.start + within;
        let earlier = |call: usize| {
            self.calls[call].earlier.map(|earlier| call - earlier).filter(|&distance| distance <= within)
        };
        same(place) == same(first) && earlier(first) == earlier(place + run.calls)
    }

    /// How many tensors the second block reads of the first.
    fn handed_over(&self, run: &Repeat) -> usize {
        let second = run.start + run.calls..run.start + 2 * run.calls;
        let mut read: Vec<TensorRef> = second.flat_map(|place| self.calls[place].reads.clone()).collect();
        read.retain(|tensor| (run.start..run.start + run.calls).contains(&(tensor.call.0 as usize)));
        read.sort();
        read.dedup();
        read.len()
    }
}

impl Repeat {
    /// May a block read the one tensor where the next block reads the other?
    fn follows(&self, one: TensorRef, other: TensorRef) -> bool {
        let (from, to) = (one.call.0 as usize, other.call.0 as usize);
        let first = self.start..self.start + self.calls;
        let shifted = one.output == other.output && to == from + self.calls && from >= self.start;
        let outside = from < self.start && one == other;
        let begun = from < self.start && self.times == 1 && first.contains(&to);
        shifted || outside || begun
    }
}

/// Everything of a call but its name, its layer and the tensors that it reads.
fn described(graph: &LayerGraph, facts: Option<&Facts>, id: CallId) -> String {
    let (call, layer) = (graph.call(id), graph.layer_of(id));
    let arguments: Vec<_> = call.arguments.iter().map(argument).collect();
    let facts = facts.map(|facts| facts.call(id));
    format!("{} {:?} {arguments:?} {} {facts:?}", layer.class, layer.settings, call.outputs)
}

/// An argument without its tensors.
fn argument(argument: &Argument) -> (Option<&String>, String) {
    fn shape(value: &ArgumentValue) -> String {
        match value {
            ArgumentValue::Tensor(_) => "%".to_owned(),
            ArgumentValue::List(items) => format!("[{}]", items.iter().map(shape).collect::<String>()),
            ArgumentValue::Constant(constant) => constant.to_string(),
        }
    }
    (argument.keyword.as_ref(), shape(&argument.value))
}

/// The beginning that the names of a block's calls have in common, up to a separator and without a number, if it is the
/// same in all blocks.
fn name(graph: &LayerGraph, run: &Repeat) -> String {
    let names: Vec<&str> =
        run.places().map(|place| graph.layer_of(CallId(place as u32)).name.as_str()).collect();
    let mut beginnings = names.chunks(run.calls).map(beginning);
    let first = beginnings.next().unwrap_or_default();
    if beginnings.all(|other| other == first) { first } else { String::new() }
}

fn beginning(names: &[&str]) -> String {
    let first = names.first().copied().unwrap_or_default();
    let common = names.iter().fold(first, |common, name| {
        let same = common.char_indices().zip(name.chars()).find(|((_, one), other)| one != other);
        let end = same.map_or(common.len().min(name.len()), |((place, _), _)| place);
        common.get(..end).unwrap_or_default()
    });
    let whole =
        if names.len() == 1 { common } else { common.rfind(['/', '_']).map_or("", |at| &common[..at]) };
    whole.trim_end_matches(|letter: char| letter.is_ascii_digit() || "/_-".contains(letter)).to_owned()
}

#[cfg(test)]
mod tests {
    use masque_ir::text::{Document, parse};

    use super::*;

    /// The repeated blocks of a model that consists of these lines.
    fn found(lines: &str) -> Vec<(usize, String)> {
        let text = format!("masque 1 layers\nsemantics keras-3.15\nmodel \"m\"\n\n{lines}\nreturn\n");
        let Ok(Document::Layers(graph)) = parse(&text) else { panic!("{:?}", parse(&text)) };
        of(&graph, None).iter().map(|repeat| (repeat.start, repeat.title())).collect()
    }

    const INPUTS: &str = "%x = InputLayer()\n%m = InputLayer()\n%first = Add([%x, %m])\n";

    fn block(names: [&str; 3], reads: &str, units: u32) -> String {
        let [a, b, c] = names;
        format!(
            "%{a} = LayerNormalization({reads})\n%{b} = Dense(%{a}, mask = %m) {{units = {units}}}\n\
             %{c} = Add([{reads}, %{b}])\n"
        )
    }

    #[test]
    fn blocks_are_found_whatever_their_names() {
        let one = block(["n", "d", "a"], "%first", 4);
        let two = block(["norm_7", "q", "sum"], "%a", 4);
        let three = block(["x1", "x2", "x3"], "%sum", 4);
        let text = format!("{INPUTS}{one}{two}{three}");
        // The sum before them would do as the last call of a block, but then more goes from block to block.
        assert_eq!(found(&text), [(3, "3 × 3 calls".to_owned())]);
    }

    #[test]
    fn a_block_is_called_as_its_calls_are() {
        let one = block(["enc/block_0/n", "enc/block_0/d", "enc/block_0/a"], "%first", 4);
        let two = block(["enc/block_1/n", "enc/block_1/d", "enc/block_1/a"], "%enc/block_0/a", 4);
        assert_eq!(found(&format!("{INPUTS}{one}{two}")), [(3, "2 × enc/block (3 calls)".to_owned())]);
    }

    #[test]
    fn what_differs_is_no_block() {
        let one = block(["n", "d", "a"], "%first", 4);
        let other_setting = block(["n1", "d1", "a1"], "%a", 5);
        let other_tensor = block(["n1", "d1", "a1"], "%first", 4).replace("[%first, ", "[%n1, ");
        let other_mask = block(["n1", "d1", "a1"], "%a", 4).replace("mask = %m", "mask = %x");
        for other in [other_setting, other_tensor, other_mask] {
            let third = block(["n2", "d2", "a2"], "%a1", 4);
            let found = found(&format!("{INPUTS}{one}{other}{third}"));
            assert!(found.iter().all(|(_, title)| title != "3 × 3 calls"), "{found:?}");
        }
    }

    #[test]
    fn layers_are_shared_by_all_blocks_or_by_none() {
        let call = |name: &str, reads: &str| format!("%{name} = Dense({reads}) {{units = 4}}\n");
        let [one, two, three] = [call("a", "%x"), call("b", "%a"), call("c", "%b")];
        let x = "%x = InputLayer()\n";
        assert_eq!(found(&format!("{x}{one}{two}{three}")), [(1, "3 × 1 call".to_owned())]);
        let again = ["%a:1 = Dense(%a)\n", "%a:2 = Dense(%a:1)\n"].concat();
        assert_eq!(found(&format!("{x}{one}{again}")), [(1, "3 × a (1 call)".to_owned())]);
        let mixed = format!("{x}{one}{two}%b:1 = Dense(%b)\n");
        assert_eq!(found(&mixed), []);
    }

    #[test]
    fn layers_are_shared_within_all_blocks_or_within_none() {
        let block = |place: usize, reads: &str, shared: bool| {
            let name = format!("a{place}");
            let again = if shared { format!("%{name}:1") } else { format!("%b{place}") };
            let settings = if shared { "" } else { " {units = 4}" };
            format!(
                "%{name} = Dense({reads}) {{units = 4}}\n{again} = Dense(%{name}){settings}\n%r{place} = ReLU({again})\n"
            )
        };
        let x = "%x = InputLayer()\n";
        let shared = [block(0, "%x", true), block(1, "%r0", true)].concat();
        assert_eq!(found(&format!("{x}{shared}")), [(1, "2 × 3 calls".to_owned())]);
        let mixed = [block(0, "%x", true), block(1, "%r0", false)].concat();
        assert_eq!(found(&format!("{x}{mixed}")), []);
    }

    #[test]
    fn the_smallest_block_counts() {
        let x = "%x = InputLayer()\n";
        let lines: Vec<String> = (1..=6)
            .map(|place| {
                let reads = if place == 1 { "%x".to_owned() } else { format!("%g{}", place - 1) };
                format!("%g{place} = GRU({reads}) {{units = 4}}\n")
            })
            .collect();
        assert_eq!(found(&format!("{x}{}", lines.concat())), [(1, "6 × g (1 call)".to_owned())]);
        assert_eq!(found(&format!("{x}{}", lines[..2].concat())), []);
    }
}
