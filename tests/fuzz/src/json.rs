//! Mutations of JSON that leave it JSON: parts replaced, taken out, doubled, moved; numbers and words that matter.

use masque::layers::LAYERS;
use serde_json::{Map, Value as Json, json};

use crate::Random;

/// Words of configs; settings of layers are found in the inputs themselves.
const WORDS: &[&str] = &[
    "Functional",
    "Sequential",
    "__keras_tensor__",
    "__lambda__",
    "float16",
    "int32",
    "bool",
    "string",
    "relu",
    "softmax",
    "keras.layers",
    "keras.src.ops.numpy",
    "mask",
    "training",
    "initial_state",
    "../../x",
    "file:///etc/passwd",
    "a\u{0}b",
    "same",
    "causal",
    "channels_first",
    "concat",
    "tf_idf",
    "int",
    "",
];

/// Mutates a JSON text in place; gives its new length, or `None` if the text is no JSON or has no place to grow into.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, random: &mut Random) -> Option<usize> {
    let mut json: Json = serde_json::from_slice(&data[..size]).ok()?;
    for _ in 0..=random.below(4) {
        change(&mut json, random);
    }
    let text = serde_json::to_vec(&json).ok()?;
    if text.len() > max_size.min(data.len()) {
        return None;
    }
    data[..text.len()].copy_from_slice(&text);
    Some(text.len())
}

/// One change somewhere.
pub fn change(json: &mut Json, random: &mut Random) {
    let mut places = vec![];
    gather(json, &mut String::new(), &mut places);
    let (Some(place), Some(other)) = (random.pick(&places).cloned(), random.pick(&places).cloned()) else {
        return;
    };
    let elsewhere = json.pointer(&other).cloned().unwrap_or(Json::Null);
    match random.below(8) {
        0 => set(json, &place, elsewhere),
        1 => set(json, &place, edge(random)),
        2 => remove(json, &place),
        3 => insert(json, &place, elsewhere, random),
        4 => {
            let key = other.rsplit('/').next().unwrap_or_default().to_owned();
            let value = if random.once_in(2) { edge(random) } else { elsewhere };
            add_member(json, &place, key, value);
        }
        5 => swap(json, &place, &other),
        _ => tweak(json, &place, random),
    }
}

/// The pointers of all values, the root's first.
fn gather(json: &Json, at: &mut String, places: &mut Vec<String>) {
    places.push(at.clone());
    let mut inside = |key: &str, value: &Json| {
        let length = at.len();
        at.push('/');
        at.push_str(&key.replace('~', "~0").replace('/', "~1"));
        gather(value, at, places);
        at.truncate(length);
    };
    match json {
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(place, item)| inside(&place.to_string(), item))
        }
        Json::Object(map) => map.iter().for_each(|(key, value)| inside(key, value)),
        _ => {}
    }
}

fn set(json: &mut Json, place: &str, value: Json) {
    if let Some(target) = json.pointer_mut(place) {
        *target = value;
    }
}

/// The value around a place, and the place's name in it.
fn around<'a>(json: &'a mut Json, place: &str) -> Option<(&'a mut Json, String)> {
    let (parent, name) = place.rsplit_once('/')?;
    Some((json.pointer_mut(parent)?, name.replace("~1", "/").replace("~0", "~")))
}

fn remove(json: &mut Json, place: &str) {
    match around(json, place) {
        Some((Json::Array(items), name)) => {
            drop(name.parse().map(|at: usize| (at < items.len()).then(|| items.remove(at))))
        }
        Some((Json::Object(map), name)) => drop(map.remove(&name)),
        _ => {}
    }
}

fn insert(json: &mut Json, place: &str, value: Json, random: &mut Random) {
    if let Some(Json::Array(items)) = json.pointer_mut(place) {
        let value = if random.once_in(2) { random.pick(items).cloned().unwrap_or(value) } else { value };
        items.insert(random.below(items.len() + 1), value);
    }
}

fn add_member(json: &mut Json, place: &str, key: String, value: Json) {
    if let Some(Json::Object(map)) = json.pointer_mut(place) {
        map.insert(key, value);
    }
}

fn swap(json: &mut Json, one: &str, other: &str) {
    let (Some(first), Some(second)) = (json.pointer(one).cloned(), json.pointer(other).cloned()) else {
        return;
    };
    set(json, one, second);
    set(json, other, first);
}

/// A small change of a number, another word for a text, more or fewer of a list.
fn tweak(json: &mut Json, place: &str, random: &mut Random) {
    let Some(value) = json.pointer_mut(place) else { return };
    match value {
        Json::Number(number) => {
            let n = number.as_i64().unwrap_or(3);
            let near =
                [n.wrapping_add(1), n.wrapping_sub(1), n.wrapping_neg(), n.wrapping_mul(2), n / 2, 0, 1, 2];
            *value = json!(near[random.below(near.len())]);
        }
        Json::String(_) => *value = word(random).into(),
        Json::Bool(truth) => *truth = !*truth,
        Json::Array(items) if random.once_in(2) => drop(items.pop()),
        Json::Array(items) => items.reverse(),
        Json::Object(_) | Json::Null => *value = edge(random),
    }
}

fn word(random: &mut Random) -> &'static str {
    if random.once_in(2) {
        let class = random.pick(LAYERS).map_or("Dense", |def| def.class);
        class.strip_prefix("ops.").unwrap_or(class)
    } else {
        random.pick(WORDS).copied().unwrap_or_default()
    }
}

/// A value at an edge of what can stand somewhere.
fn edge(random: &mut Random) -> Json {
    let edges = [
        Json::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1),
        json!(2),
        json!(3),
        json!(7),
        json!(64),
        json!(1 << 31),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1u64 << 40),
        json!(0.5),
        json!(-0.0),
        json!(1e300),
        json!(1e-300),
        json!([]),
        json!([null]),
        json!([1, 2]),
        json!([[0]]),
        json!({}),
        json!(""),
    ];
    match random.below(edges.len() + 4) {
        at if at < edges.len() => edges[at].clone(),
        at if at == edges.len() => Json::Object(Map::from_iter([(word(random).to_owned(), Json::Null)])),
        _ => word(random).into(),
    }
}
