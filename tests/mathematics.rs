//! The mathematics of every golden model: what is printed is mathematics, and it is true.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use masque::Model;
use masque::layers::LAYERS;
use masque::mathematics::{self, Explanation, Form, Formula};
use masque_ir::dim::Bindings;
use masque_ir::program::{Operand, Program, Value};
use masque_ir::ty::DType;
use masque_runtime::{Tensor, reference};
use masque_tests::compare::cast;
use masque_tests::corpus::{self, Case};
use masque_tests::formulas::{Formulas, Unknown};
use masque_tests::stages::{KERAS, Stages};
use ndarray::Dimension;

/// The longest line.
const WIDTH: usize = 100;

/// What belongs to the text of programs, and says nothing to people.
const DEBRIS: [&str; 5] = ["{\"", "axes =", "perm =", "shape =", "nothing"];

fn of_model(model: &Path) -> Vec<Explanation> {
    let inferred = Model::open(model).and_then(Model::infer);
    let inferred = inferred.unwrap_or_else(|error| panic!("{}: {error}", model.display()));
    mathematics::explain(&inferred).unwrap_or_else(|error| panic!("{}: {error}", model.display()))
}

fn explained(case: &Case) -> Vec<Explanation> {
    of_model(&case.model())
}

/// The models of the golden cases and of the leaks.
fn models() -> Vec<PathBuf> {
    let not_yet = corpus::listed("not-yet.txt");
    let cases = corpus::cases().into_iter().filter(|case| !not_yet.contains_key(&case.name));
    let leaks = std::fs::read_dir(corpus::folder().join("leaks")).unwrap();
    let leaks = leaks.map(|entry| entry.unwrap().path().join("model.keras")).filter(|model| model.exists());
    let models: Vec<PathBuf> = cases.map(|case| case.model()).chain(leaks).collect();
    assert!(models.len() > 400, "only {} models", models.len());
    models
}

#[test]
fn every_golden_model_is_told_in_short_lines_of_mathematics() {
    let mut wrong = vec![];
    for model in models() {
        let explained = of_model(&model);
        let explained: Vec<&Explanation> = explained.iter().collect();
        for form in [Form::Plain, Form::Latex, Form::Markdown] {
            for line in mathematics::text(&explained, form).lines() {
                let long = form != Form::Markdown && line.chars().count() > WIDTH;
                if long || DEBRIS.iter().any(|debris| line.contains(debris)) {
                    wrong.push(format!("{} {form:?}: {line}", model.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn composites_are_short() {
    let mut seen = BTreeMap::new();
    for explanation in corpus::cases()
        .iter()
        .filter(|case| case.name.starts_with("attention/") || case.name == "layers/layer-normalization")
        .flat_map(explained)
    {
        let class = explanation.row.class.clone();
        let most: &mut usize = seen.entry(class).or_default();
        *most = (*most).max(explanation.equations.len());
    }
    assert!(seen["MultiHeadAttention"] <= 10, "{seen:?}");
    assert!(seen["LayerNormalization"] <= 3, "{seen:?}");
}

/// A document of LaTeX with the mathematics of some models.
fn document(cases: &[&str]) -> String {
    let mut document = String::from("\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n");
    for case in cases {
        let explained = explained(&corpus::case(case));
        document.push_str(&mathematics::text(&explained.iter().collect::<Vec<_>>(), Form::Latex));
    }
    document + "\\end{document}\n"
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn latex_compiles_where_latex_is_installed() {
    let cases = [
        "attention/grouped-masked",
        "attention/bahdanau-masked",
        "layers/layer-normalization",
        "layers/gru-outputs",
        "wide/conv2d-family",
        "wide/ops-reduce",
        "wide/reshape-1d-family",
        "layers/text-counts",
        "masked/vectors",
    ];
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.tex"), document(&cases)).unwrap();
    let mut command = std::process::Command::new("pdflatex");
    command.args(["-interaction=nonstopmode", "-halt-on-error", "model.tex"]).current_dir(folder.path());
    match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("latex_compiles_where_latex_is_installed: skipped, there is no pdflatex");
        }
        done => {
            let done = done.unwrap();
            let text = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success(), "{}", &text[text.find("\n!").unwrap_or(0)..]);
        }
    }
}

/// The layers people use, by family, with the sources of their definitions.
const FAMILIES: [(&str, &[(&str, &str)]); 7] = [
    (
        "dense",
        &[
            ("Dense", "https://keras.io/api/layers/core_layers/dense/"),
            ("EinsumDense", "https://keras.io/api/layers/core_layers/einsum_dense/"),
            ("Embedding", "https://keras.io/api/layers/core_layers/embedding/"),
            ("ReversibleEmbedding", "https://keras.io/api/layers/core_layers/"),
            ("Masking", "https://keras.io/api/layers/core_layers/masking/"),
            ("Activation", "https://keras.io/api/layers/core_layers/activation/"),
            ("Dropout", "Srivastava et al., 2014; at inference the identity"),
            ("Softmax", "https://keras.io/api/layers/activation_layers/softmax/"),
        ],
    ),
    (
        "recurrent",
        &[
            ("SimpleRNN", "Elman, 1990; https://keras.io/api/layers/recurrent_layers/simple_rnn/"),
            ("LSTM", "Hochreiter and Schmidhuber, 1997; Gers et al., 2000"),
            ("GRU", "Cho et al., 2014, v3: the reset gate after the recurrent product"),
            ("Bidirectional", "Schuster and Paliwal, 1997"),
            ("ConvLSTM1D", "Shi et al., 2015, without peepholes"),
            ("TimeDistributed", "https://keras.io/api/layers/recurrent_layers/time_distributed/"),
        ],
    ),
    (
        "convolution",
        &[
            ("Conv1D", "https://keras.io/api/layers/convolution_layers/convolution1d/"),
            ("Conv2D", "https://keras.io/api/layers/convolution_layers/convolution2d/"),
            ("SeparableConv1D", "Chollet, 2017"),
            ("DepthwiseConv1D", "https://keras.io/api/layers/convolution_layers/depthwise_convolution1d/"),
            ("Conv1DTranspose", "Dumoulin and Visin, 2016"),
        ],
    ),
    (
        "pooling",
        &[
            ("MaxPooling1D", "https://keras.io/api/layers/pooling_layers/max_pooling1d/"),
            ("AveragePooling1D", "https://keras.io/api/layers/pooling_layers/average_pooling1d/"),
            ("GlobalMaxPooling1D", "https://keras.io/api/layers/pooling_layers/global_max_pooling1d/"),
            (
                "GlobalAveragePooling1D",
                "https://keras.io/api/layers/pooling_layers/global_average_pooling1d/",
            ),
            ("AdaptiveAveragePooling1D", "https://keras.io/api/layers/pooling_layers/"),
        ],
    ),
    (
        "normalization",
        &[
            ("LayerNormalization", "Ba et al., 2016"),
            ("BatchNormalization", "Ioffe and Szegedy, 2015; at inference"),
            ("GroupNormalization", "Wu and He, 2018"),
            ("RMSNormalization", "Zhang and Sennrich, 2019"),
            ("UnitNormalization", "https://keras.io/api/layers/normalization_layers/unit_normalization/"),
        ],
    ),
    (
        "attention",
        &[
            ("MultiHeadAttention", "Vaswani et al., 2017"),
            ("GroupQueryAttention", "Ainslie et al., 2023"),
            ("Attention", "Luong et al., 2015"),
            ("AdditiveAttention", "Bahdanau et al., 2015"),
        ],
    ),
    (
        "shape",
        &[
            ("Add", "https://keras.io/api/layers/merging_layers/add/"),
            ("Concatenate", "https://keras.io/api/layers/merging_layers/concatenate/"),
            ("Dot", "https://keras.io/api/layers/merging_layers/dot/"),
            ("Flatten", "https://keras.io/api/layers/reshaping_layers/flatten/"),
            ("Reshape", "https://keras.io/api/layers/reshaping_layers/reshape/"),
            ("Permute", "https://keras.io/api/layers/reshaping_layers/permute/"),
            ("RepeatVector", "https://keras.io/api/layers/reshaping_layers/repeat_vector/"),
            ("ZeroPadding1D", "https://keras.io/api/layers/reshaping_layers/zero_padding1d/"),
            ("UpSampling1D", "https://keras.io/api/layers/reshaping_layers/up_sampling1d/"),
        ],
    ),
];

/// How many equations of what is in no family are shown.
const SHORT: usize = 24;

/// What has no formulas of its own in any golden model, each with the reason.
const WITHOUT: [(&str, &str); 3] = [
    ("Equalization", "is within a Pipeline, which is one call"),
    ("ops.Conj", "of real numbers, which all tensors are, what it takes"),
    ("ops.MaskOf", "a word of descriptions for the mask that a tensor carries"),
];

/// An explanation without what is said of all masks.
fn without_remark(text: &str) -> &str {
    text.split_once("for any position.\n\n").map_or(text, |(_, rest)| rest)
}

fn pin(name: &str, text: String) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

/// Of each class the first golden call, under a mask where there is such a one; from all areas, if these have none with equations.
fn first_calls() -> BTreeMap<String, Explanation> {
    let areas = ["attention", "layers", "products", "recurrent", "wide"];
    let mut first: BTreeMap<String, Explanation> = BTreeMap::new();
    let rank =
        |explanation: &Explanation| (!explanation.row.short.is_empty(), !explanation.equations.is_empty());
    for explanation in areas.iter().flat_map(|area| corpus::area(area)).flat_map(|case| explained(&case)) {
        let class = explanation.row.class.clone();
        if first.get(&class).is_none_or(|known| rank(known) < rank(&explanation)) {
            first.insert(class, explanation);
        }
    }
    for explanation in models().iter().flat_map(|model| of_model(model)) {
        let class = explanation.row.class.clone();
        if first.get(&class).is_none_or(|known| known.equations.is_empty() && rank(&explanation).1) {
            first.insert(class, explanation);
        }
    }
    first
}

/// The formulas of every layer and operation that is known: of the layers people use, by family; of the others in order; and
/// what gives what it takes as it is.
#[test]
fn every_layer_has_its_formulas() {
    let first = first_calls();
    let told = |explanation: &Explanation| {
        without_remark(&mathematics::text(&[explanation], Form::Plain)).to_owned()
    };
    for (family, layers) in FAMILIES {
        let layers = layers.iter().map(|(class, source)| {
            let explanation = first.get(*class).unwrap_or_else(|| panic!("no golden model has a {class}"));
            format!("{}  [{source}]\n", told(explanation))
        });
        pin(&format!("formulas-{family}"), layers.collect::<Vec<_>>().join("\n"));
    }
    let in_family =
        |class: &str| FAMILIES.iter().any(|(_, layers)| layers.iter().any(|(other, _)| *other == class));
    let mut others = [vec![], vec![], vec![]];
    let mut missing = vec![];
    for def in LAYERS.iter().filter(|def| !in_family(def.class)) {
        let Some(explanation) = first.get(def.class) else {
            missing.push(def.class);
            continue;
        };
        let operation = def.class.starts_with("ops.");
        match explanation.equations.len() {
            0 => others[2].push(told(explanation)),
            1..=SHORT => others[usize::from(operation)].push(told(explanation)),
            many => others[usize::from(operation)].push(format!("{}: {many} equations\n", def.class)),
        }
    }
    for (name, told) in ["others", "operations", "none"].iter().zip(others) {
        pin(&format!("formulas-{name}"), told.join("\n"));
    }
    assert_eq!(missing, WITHOUT.map(|(class, _)| class), "no golden model has these");
}

/// What the operations give for every value of a program that has a name in a formula.
fn arrays(case: &Case, stages: &Stages, names: &[String]) -> Option<(BTreeMap<String, Tensor>, Bindings)> {
    let plan = &stages.planned.as_ref()?.plan;
    let inputs: BTreeMap<String, Tensor> = case.inputs(plan).into_iter().collect();
    let inputs: BTreeMap<String, Tensor> = stages
        .lowered
        .inputs()
        .filter_map(|(_, info)| {
            Some((info.name.clone(), cast_numbers(inputs.get(&info.name)?, info.ty.dtype)?))
        })
        .collect();
    let program = giving(&stages.lowered, names);
    let sizes = sizes(&program, &inputs)?;
    let input = |name: &str| inputs.get(name).map(Tensor::view);
    let weight = |name: &str| stages.weights.get(name).map(Tensor::view);
    let given = reference::run(&program, &input, &weight).ok()?;
    let given =
        given.into_iter().filter_map(|(name, tensor)| Some((name, cast_numbers(&tensor, DType::F64)?)));
    Some((given.collect(), sizes))
}

/// Numbers as another type; texts only as they are.
fn cast_numbers(tensor: &Tensor, to: DType) -> Option<Tensor> {
    match (tensor.dtype(), to) {
        (DType::Str, DType::Str) => Some(tensor.clone()),
        (DType::Str, _) => None,
        _ => Some(cast(tensor, to)),
    }
}

/// The program with values of these names as its outputs.
fn giving(program: &Program, names: &[String]) -> Program {
    let mut program = program.clone();
    program.outputs.clear();
    for (node, contents) in program.nodes.iter().enumerate() {
        for (result, info) in
            contents.results.iter().enumerate().filter(|(_, info)| names.contains(&info.name))
        {
            let operand = Operand::Value(Value { node: node as u32, result: result as u32 });
            program.outputs.push(masque_ir::program::ProgramOutput { name: info.name.clone(), operand });
        }
    }
    program
}

/// The sizes that inputs have.
fn sizes(program: &Program, inputs: &BTreeMap<String, Tensor>) -> Option<Bindings> {
    let mut sizes = Bindings::new();
    for (_, info) in program.inputs() {
        for (size, found) in info.ty.shape.iter().zip(inputs.get(&info.name)?.shape()) {
            if let Some(symbol) = size.as_symbol() {
                sizes.insert(symbol.clone(), *found as i64);
            }
        }
    }
    Some(sizes)
}

/// Evaluates the equations of a call; `None` if they hold what is not told in formulas, or take too long.
fn checked(
    explanation: &Explanation,
    arrays: &BTreeMap<String, Tensor>,
    sizes: &Bindings,
) -> Option<Result<(), String>> {
    let read: BTreeMap<String, Tensor> = explanation
        .names
        .iter()
        .filter_map(|(name, full)| Some((name.clone(), arrays.get(full)?.clone())))
        .collect();
    let mut formulas = Formulas::new(&explanation.equations, &read, sizes);
    let mut checked = None;
    for (name, expected) in &read {
        let expected = expected.as_f64()?;
        if !formulas.defines(name) {
            continue;
        }
        for (at, &expected) in expected.indexed_iter() {
            let at: Vec<i64> = at.slice().iter().map(|&at| at as i64).collect();
            let found = match formulas.element(name, &at) {
                Ok(found) => found,
                Err(Unknown::Whole | Unknown::Costly) => return None,
                Err(Unknown::Wrong(why)) => return Some(Err(why)),
            };
            let near = (found - expected).abs() <= 1e-4 + 1e-3 * expected.abs();
            if !near && found != expected && !(found.is_nan() && expected.is_nan()) {
                return Some(Err(format!("{name}{at:?} is {found}, expected {expected}")));
            }
        }
        checked = Some(Ok(()));
    }
    checked
}

#[test]
fn formulas_give_the_numbers_of_the_operations() {
    let areas = ["attention", "layers", "masked", "operands", "products", "recurrent"];
    let not_yet = corpus::listed("not-yet.txt");
    let (mut wrong, mut right) = (vec![], BTreeMap::new());
    for case in areas.iter().flat_map(|area| corpus::area(area)) {
        if not_yet.contains_key(&case.name) || case.expected.mask_inference_only {
            continue;
        }
        let explained = explained(&case);
        let names: Vec<String> =
            explained.iter().flat_map(|explanation| explanation.names.values().cloned()).collect();
        let Ok(stages) = Stages::of(&case.model(), KERAS) else { continue };
        let Some((arrays, sizes)) = arrays(&case, &stages, &names) else { continue };
        for explanation in &explained {
            match checked(explanation, &arrays, &sizes) {
                None => {}
                Some(Ok(())) => *right.entry(explanation.row.class.clone()).or_insert(0) += 1,
                Some(Err(why)) => wrong.push(format!("{} {}: {why}", case.name, explanation.row.name())),
            }
        }
    }
    assert!(wrong.is_empty(), "{} calls:\n{}\nright: {right:?}", wrong.len(), wrong.join("\n"));
    for class in ["MultiHeadAttention", "GRU", "LSTM", "Conv1D", "LayerNormalization", "AdditiveAttention"] {
        assert!(right.get(class).is_some_and(|calls| *calls > 0), "no {class} was evaluated: {right:?}");
    }
}

/// A formula is an element: the left side of an equation says of what.
#[test]
fn every_equation_defines_an_element() {
    for explanation in corpus::area("seed").iter().flat_map(explained) {
        for equation in &explanation.equations {
            assert!(matches!(equation.left, Formula::Element(..)), "{}", equation.left.text(Form::Plain));
        }
    }
}
