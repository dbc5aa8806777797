//! Boxes in layers, by the method of Sugiyama, Tagawa and Toda (1981): a layer for each box, long edges cut into one
//! piece for each layer, an order within the layers with few crossings (barycentres), and coordinates that keep edges
//! straight (least squares under the order, by pooling neighbours that would overlap).

/// Space between two boxes side by side, and beside an edge that goes through a layer.
const BESIDE: [f64; 2] = [26.0, 12.0];

/// Space between layers.
const BETWEEN: f64 = 34.0;

/// Sweeps over the layers for their order, and for the coordinates.
const SWEEPS: [usize; 2] = [10, 40];

/// Space between edges that begin or end at one box.
const PORTS: f64 = 14.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Which layer a box has to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pin {
    First,
    Any,
    Last,
}

/// A box to be placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) pin: Pin,
}

/// Where everything is.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// The middle of each box.
    pub(super) middles: Vec<Point>,
    /// The points of each edge, from the bottom of a box to the top of another.
    pub(super) ways: Vec<Vec<Point>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A box, or the piece of an edge in a layer that it goes through.
struct Vertex {
    layer: usize,
    width: f64,
    piece: bool,
    above: Vec<usize>,
    below: Vec<usize>,
}

struct Layers {
    vertices: Vec<Vertex>,
    layers: Vec<Vec<usize>>,
    /// The vertices that each edge goes through, downwards.
    chains: Vec<Vec<usize>>,
}

/// Places boxes. Those who are read should stand before their readers: edges to boxes before are drawn upwards.
pub(super) fn place(items: &[Item], edges: &[(usize, usize)]) -> Placed {
    let mut layers = Layers::new(items, edges);
    layers.order();
    let xs = layers.coordinates();
    layers.placed(items, edges, &xs)
}

/// The layer of each box: one below the lowest that it reads, and what reads nothing just above its first reader.
fn layer_of(items: &[Item], edges: &[(usize, usize)]) -> Vec<usize> {
    let mut downwards: Vec<(usize, usize)> = edges.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
    downwards.sort_unstable();
    let mut layer = vec![0; items.len()];
    let mut reads = vec![false; items.len()];
    for &(from, to) in &downwards {
        layer[to] = layer[to].max(layer[from] + 1);
        reads[to] = true;
    }
    for place in (0..items.len()).rev().filter(|&place| !reads[place] && items[place].pin == Pin::Any) {
        let first = downwards.partition_point(|&(from, _)| from < place);
        let readers = downwards[first..].iter().take_while(|&&(from, _)| from == place);
        layer[place] = readers.map(|&(_, to)| layer[to] - 1).min().unwrap_or(0);
    }
    let last = layer.iter().copied().max().unwrap_or(0);
    for (item, layer) in items.iter().zip(&mut layer) {
        *layer = if item.pin == Pin::Last { last } else { *layer };
    }
    layer
}

impl Layers {
    fn new(items: &[Item], edges: &[(usize, usize)]) -> Layers {
        let layer = layer_of(items, edges);
        let vertex = |(item, &layer): (&Item, &usize)| Vertex {
            layer,
            width: item.width,
            piece: false,
            above: vec![],
            below: vec![],
        };
        let mut vertices: Vec<Vertex> = items.iter().zip(&layer).map(vertex).collect();
        // Edges that leave a box together go together.
        let mut trunks: Vec<Vec<usize>> = vec![vec![]; items.len()];
        let mut chains = vec![];
        for &(from, to) in edges {
            let (top, bottom) = (from.min(to), from.max(to));
            let mut chain = vec![top];
            for through in layer[top] + 1..layer[bottom] {
                let along = through - layer[top] - 1;
                if along == trunks[top].len() {
                    trunks[top].push(vertices.len());
                    vertices.push(Vertex {
                        layer: through,
                        width: 0.0,
                        piece: true,
                        above: vec![],
                        below: vec![],
                    });
                }
                chain.push(trunks[top][along]);
            }
            chain.push(bottom);
            for pair in chain.windows(2) {
                if !vertices[pair[0]].below.contains(&pair[1]) {
                    vertices[pair[0]].below.push(pair[1]);
                    vertices[pair[1]].above.push(pair[0]);
                }
            }
            chains.push(chain);
        }
        let mut layers = vec![vec![]; vertices.iter().map(|vertex| vertex.layer + 1).max().unwrap_or(0)];
        for (place, vertex) in vertices.iter().enumerate() {
            layers[vertex.layer].push(place);
        }
        Layers { vertices, layers, chains }
    }

    /// Sorts every layer by where its neighbours stand, down and up, and keeps the order with the fewest crossings.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..SWEEPS[0] {
            let down = sweep % 2 == 0;
            let mut places = self.places();
            for step in 1..self.layers.len() {
                let layer = if down { step } else { self.layers.len() - 1 - step };
                let key = |&vertex: &usize| {
                    let vertex_of = &self.vertices[vertex];
                    let beside = if down { &vertex_of.above } else { &vertex_of.below };
                    let sum: usize = beside.iter().map(|&other| places[other]).sum();
                    if beside.is_empty() { places[vertex] as f64 } else { sum as f64 / beside.len() as f64 }
                };
                let mut keyed: Vec<(f64, usize)> =
                    self.layers[layer].iter().map(|vertex| (key(vertex), *vertex)).collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                for (place, &(_, vertex)) in keyed.iter().enumerate() {
                    places[vertex] = place;
                    self.layers[layer][place] = vertex;
                }
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.vertices.len()];
        for layer in &self.layers {
            layer.iter().enumerate().for_each(|(place, &vertex)| places[vertex] = place);
        }
        places
    }

    /// How often edges between neighbouring layers cross: inversions, counted in a tree of sums (Fenwick).
    fn crossings(&self) -> usize {
        let places = self.places();
        let mut crossings = 0;
        for layer in self.layers.iter().skip(1) {
            let mut ends: Vec<(usize, usize)> = vec![];
            for (place, &vertex) in layer.iter().enumerate() {
                ends.extend(self.vertices[vertex].above.iter().map(|&other| (places[other], place)));
            }
            ends.sort_unstable();
            let mut sums = vec![0; layer.len() + 1];
            for (seen, &(_, place)) in ends.iter().enumerate() {
                let (mut at, mut not_after) = (place + 1, 0);
                while at > 0 {
                    not_after += sums[at];
                    at &= at - 1;
                }
                crossings += seen - not_after;
                at = place + 1;
                while at < sums.len() {
                    sums[at] += 1;
                    at += at & at.wrapping_neg();
                }
            }
        }
        crossings
    }

    /// The middle of every vertex, from left to right.
    fn coordinates(&self) -> Vec<f64> {
        let mut xs = vec![0.0; self.vertices.len()];
        for layer in &self.layers {
            let offsets = self.offsets(layer);
            layer.iter().zip(&offsets).for_each(|(&vertex, &offset)| xs[vertex] = offset);
        }
        for sweep in 0..SWEEPS[1] {
            let both = sweep + 2 >= SWEEPS[1];
            let down = sweep % 2 == 0;
            for step in 0..self.layers.len() {
                let layer = &self.layers[if down { step } else { self.layers.len() - 1 - step }];
                self.settle(layer, (down || both, !down || both), &mut xs);
            }
        }
        let left = |vertex: usize| xs[vertex] - self.vertices[vertex].width / 2.0;
        let edge = (0..xs.len()).map(left).fold(f64::INFINITY, f64::min);
        xs.iter().map(|x| x - edge).collect()
    }

    /// The least distances of a layer's vertices from its first.
    fn offsets(&self, layer: &[usize]) -> Vec<f64> {
        let mut offsets = vec![];
        for (place, &vertex) in layer.iter().enumerate() {
            offsets.push(match place {
                0 => 0.0,
                _ => {
                    let (left, right) = (&self.vertices[layer[place - 1]], &self.vertices[vertex]);
                    let gap = BESIDE[usize::from(left.piece || right.piece)];
                    offsets[place - 1] + (left.width + right.width) / 2.0 + gap
                }
            });
        }
        offsets
    }

    /// Moves a layer's vertices to the middle of their neighbours, as near as their order and widths allow.
    fn settle(&self, layer: &[usize], (above, below): (bool, bool), xs: &mut [f64]) {
        let offsets = self.offsets(layer);
        // Pools of vertices that touch: the sum of weights, the sum of weighted wishes, how many.
        let mut pools: Vec<(f64, f64, usize)> = vec![];
        for (&vertex, offset) in layer.iter().zip(&offsets) {
            let this = &self.vertices[vertex];
            let beside = this.above.iter().filter(|_| above).chain(this.below.iter().filter(|_| below));
            let (mut weight, mut wish) = (0.0, 0.0);
            for &other in beside {
                let strength = match (this.piece, self.vertices[other].piece) {
                    (true, true) => 8.0,
                    (false, false) => 1.0,
                    _ => 2.0,
                };
                weight += strength;
                wish += strength * xs[other];
            }
            if weight == 0.0 {
                (weight, wish) = (0.1, 0.1 * xs[vertex]);
            }
            pools.push((weight, wish - weight * offset, 1));
            while let [.., left, right] = pools[..] {
                if left.1 / left.0 <= right.1 / right.0 {
                    break;
                }
                pools.pop();
                let joined = pools.len() - 1;
                pools[joined] = (left.0 + right.0, left.1 + right.1, left.2 + right.2);
            }
        }
        let starts = pools.iter().flat_map(|&(weight, wish, many)| std::iter::repeat_n(wish / weight, many));
        for ((&vertex, offset), start) in layer.iter().zip(&offsets).zip(starts) {
            xs[vertex] = start + offset;
        }
    }

    fn placed(&self, items: &[Item], edges: &[(usize, usize)], xs: &[f64]) -> Placed {
        let mut tops = vec![];
        let mut height = 0.0;
        for layer in &self.layers {
            let tallest = layer
                .iter()
                .filter_map(|&vertex| items.get(vertex))
                .map(|item| item.height)
                .fold(0.0, f64::max);
            tops.push((height, height + tallest));
            height += tallest + BETWEEN;
        }
        let middle = |vertex: usize| {
            let (top, bottom) = tops[self.vertices[vertex].layer];
            Point { x: xs[vertex], y: (top + bottom) / 2.0 }
        };
        let ports = self.ports(xs);
        let way = |(chain, &(from, to)): (&Vec<usize>, &(usize, usize))| {
            let (top, bottom) = (chain[0], chain[chain.len() - 1]);
            let port = |vertex: usize, other: usize| Point {
                x: xs[vertex] + ports(vertex, other),
                ..middle(vertex)
            };
            let begin = port(top, chain[1]);
            // Beside what is taller in its layer, an edge goes straight.
            let band = |vertex: usize| tops[self.vertices[vertex].layer];
            let mut way = vec![
                Point { y: begin.y + items[top].height / 2.0, ..begin },
                Point { y: band(top).1, ..begin },
            ];
            for &piece in &chain[1..chain.len() - 1] {
                let (above, below) = band(piece);
                way.extend([above, below].map(|y| Point { x: xs[piece], y }));
            }
            let end = port(bottom, chain[chain.len() - 2]);
            way.push(Point { y: band(bottom).0, ..end });
            way.push(Point { y: end.y - items[bottom].height / 2.0, ..end });
            if from > to {
                way.reverse();
            }
            way
        };
        let right = |vertex: usize| xs[vertex] + self.vertices[vertex].width / 2.0;
        Placed {
            middles: (0..items.len()).map(middle).collect(),
            ways: self.chains.iter().zip(edges).map(way).collect(),
            width: (0..xs.len()).map(right).fold(0.0, f64::max),
            height: (height - BETWEEN).max(0.0),
        }
    }

    /// How far from the middle of a box the edge to a neighbour begins or ends: side by side, as the neighbours stand.
    fn ports(&self, xs: &[f64]) -> impl Fn(usize, usize) -> f64 {
        let mut offsets = std::collections::HashMap::new();
        for (vertex, this) in self.vertices.iter().enumerate().filter(|(_, vertex)| !vertex.piece) {
            for beside in [&this.above, &this.below] {
                let mut sorted = beside.clone();
                sorted.sort_by(|&a, &b| xs[a].total_cmp(&xs[b]));
                let room = this.width * 0.7 / sorted.len().max(1) as f64;
                let middle = (sorted.len() as f64 - 1.0) / 2.0;
                for (place, other) in sorted.into_iter().enumerate() {
                    offsets.insert((vertex, other), (place as f64 - middle) * room.min(PORTS));
                }
            }
        }
        move |vertex, other| offsets.get(&(vertex, other)).copied().unwrap_or(0.0)
    }
}
