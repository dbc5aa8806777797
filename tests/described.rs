//! Custom layers that are described: Keras' numbers and masks of models whose files hold them by name, and what can be said
//! of the same files without the descriptions.

use std::collections::BTreeSet;

use masque::diagnostics::{Code, Diagnostic, UnsupportedMask};
use masque::frontend::{OpaqueLayer, OpenOptions};
use masque::table::{self, Row};
use masque::{Error, Inferred, Model};
use masque_ir::facts::MaskStatus;
use masque_tests::command::run;
use masque_tests::compare;
use masque_tests::corpus::{self, Case};
use masque_tests::engines::ENGINES;
use masque_tests::mask_table;
use masque_tests::stages::{KERAS, Stages};

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

fn described(case: &Case) -> OpenOptions {
    OpenOptions { layers: vec![case.folder.join("layers.mq")], ..OpenOptions::default() }
}

fn cases() -> Vec<Case> {
    let cases = corpus::described();
    assert!(cases.len() >= 23, "only {} models", cases.len());
    cases
}

#[test]
fn the_numbers_and_masks_are_those_of_keras() {
    for case in cases() {
        check(&case).unwrap_or_else(|problem| panic!("{}: {problem}", case.name));
    }
}

fn check(case: &Case) -> Result<(), String> {
    let open = || Model::open_with(case.model(), &described(case)).map_err(|error| error.to_string());
    let inferred = open()?.infer().map_err(|error| error.to_string())?;
    let warned: BTreeSet<String> =
        inferred.diagnostics(UnsupportedMask::Warn).into_iter().map(|finding| finding.layer).collect();
    // Keras warns of the custom layers alone; we also of those inside of them.
    let expected: BTreeSet<String> = case.expected.expected_check.iter().cloned().collect();
    let outer: BTreeSet<String> = warned.into_iter().filter(|layer| !layer.contains('/')).collect();
    if outer != expected {
        return Err(format!("diagnostics name {outer:?}, expected {expected:?}"));
    }
    let stages = Stages::compile(open()?, KERAS).map_err(|error| error.to_string())?;
    mask_table::check(case, &table::rows(&stages.masks))?;
    let planned = stages.planned.as_ref().ok_or("it has no plan")?;
    let inputs = case.inputs(&planned.plan);
    for engine in &ENGINES {
        let found = (engine.run)(&stages, &inputs)?;
        compare::outputs(case, &found.outputs).map_err(|problem| format!("{}: {problem}", engine.name))?;
        compare::masks(case, &found.masks).map_err(|problem| format!("{}: {problem}", engine.name))?;
    }
    Ok(())
}

/// A dump of an expanded model is a model, and needs no descriptions.
#[test]
fn the_text_of_an_expanded_model_is_a_model() {
    for case in cases() {
        let model = Model::open_with(case.model(), &described(&case)).unwrap();
        let graph = model.graph().clone();
        let again = Model::of_graph(&graph).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(again.graph(), &graph, "{}", case.name);
        let [one, other] = [model, again].map(|model| table::text(model.infer().unwrap().graph()));
        assert_eq!(one, other, "{}", case.name);
    }
}

/// Without descriptions: calls before a custom layer are the same, masks and findings after it are the same or not known,
/// and nothing is clear or has numbers.
#[test]
fn what_is_said_without_descriptions_is_the_same_or_unknown() {
    for case in cases() {
        let known = Model::open_with(case.model(), &described(&case)).unwrap().infer().unwrap();
        let unknown = without_descriptions(&case, &table::rows(known.graph()));
        masks_are_the_same_or_unknown(&case, &known, &unknown);
        findings_are_the_same_or_unknown(&case, &known, &unknown);
        let (one, other) = (unknown.padding().unwrap(), known.padding().unwrap());
        let outputs = one.outputs.len() + unknown.unknown_outputs().len();
        assert_eq!(outputs, unknown.graph().graph.outputs().len(), "{}", case.name);
        assert!(!unknown.unknown_outputs().is_empty(), "{}", case.name);
        for output in &one.outputs {
            let same = other.outputs.iter().find(|other| other.name == output.name).unwrap();
            assert_eq!(output.reads, same.reads, "{}: {}", case.name, output.name);
        }
        assert!(matches!(unknown.lower(KERAS), Err(Error::Opaque { .. })), "{}", case.name);
    }
}

/// The model as its file has it. Where nothing reads what a custom layer gives, the file does not say its type.
fn without_descriptions(case: &Case, known: &[Row]) -> Inferred {
    let refused = match Model::open(case.model()) {
        Ok(model) => return model.infer().unwrap_or_else(|error| panic!("{}: {error}", case.name)),
        Err(error) => error.to_string(),
    };
    assert!(refused.contains("--opaque NAME=TYPE"), "{}: {refused}", case.name);
    let custom: Vec<&Row> =
        known.iter().filter(|row| row.call == 0 && row.class.starts_with("Custom>")).collect();
    let within = |row: &&&Row| custom.iter().any(|other| row.layer.starts_with(&format!("{}/", other.layer)));
    let types = |row: &&Row| row.types.iter().map(|ty| format!("{}={ty}", row.layer)).collect::<Vec<_>>();
    let outer = custom.iter().filter(|row| !within(row)).flat_map(types);
    let stated = outer.map(|text| text.parse().unwrap()).collect();
    let options = OpenOptions { opaque: stated, ..OpenOptions::default() };
    let opened = Model::open_with(case.model(), &options).and_then(Model::infer);
    opened.unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

fn masks_are_the_same_or_unknown(case: &Case, known: &Inferred, unknown: &Inferred) {
    let (known, rows) = (table::rows(known.graph()), table::rows(unknown.graph()));
    assert!(rows.iter().any(|row| row.status == MaskStatus::Unknown), "{}", case.name);
    for row in rows.iter().filter(|row| !row.plumbing) {
        let same = known.iter().find(|other| other.layer == row.layer && other.call == row.call);
        let same = same.unwrap_or_else(|| panic!("{}: {} is not there", case.name, row.name()));
        assert_eq!(row.types, same.types, "{}: {}", case.name, row.name());
        for (masks, same) in [(&row.masks_in, &same.masks_in), (&row.masks_out, &same.masks_out)] {
            let unknown = |mask: &Option<String>| mask.as_ref().is_some_and(|mask| mask.contains("unknown("));
            let custom = row.status == MaskStatus::Unknown;
            let agree = custom || masks.iter().zip(same).all(|(mask, same)| unknown(mask) || mask == same);
            assert!(agree, "{}: {}: {masks:?}, not {same:?}", case.name, row.name());
        }
    }
}

/// A finding that rests on a custom layer is named by the finding about that layer.
fn findings_are_the_same_or_unknown(case: &Case, known: &Inferred, unknown: &Inferred) {
    let of = |inferred: &Inferred| inferred.findings(UnsupportedMask::Error);
    let (known, unknown) = (of(known), of(unknown));
    let (opaque, said): (Vec<_>, Vec<_>) =
        unknown.into_iter().partition(|finding| finding.code == Code::LayerOpaque);
    let custom: BTreeSet<&str> = opaque.iter().map(|finding| finding.layer.as_str()).collect();
    assert!(!custom.is_empty(), "{}", case.name);
    let place = |finding: &Diagnostic| (finding.code, finding.layer.clone(), finding.call);
    for finding in &said {
        let there = known.iter().any(|other| place(other) == place(finding));
        assert!(there, "{}: {} is said without the descriptions alone", case.name, finding.message);
    }
    for finding in &known {
        let name = &finding.layer;
        let inside = |custom: &&str| name == custom || name.starts_with(&format!("{custom}/"));
        let rests = opaque
            .iter()
            .flat_map(|finding| &finding.labels)
            .any(|label| finding.labels.iter().any(|own| own.name == label.name) || label.name == *name);
        let there = said.iter().any(|other| place(other) == place(finding));
        let fine = there || rests || custom.iter().any(inside);
        assert!(fine, "{}: {} is not said without the descriptions", case.name, finding.message);
    }
}

#[test]
fn a_rule_that_is_stated_is_the_masks_of_keras() {
    let case = corpus::described().into_iter().find(|case| case.name == "described/classifier-open").unwrap();
    let stated = ["MaskedBlock=keep", "embedding=lost"].map(|text| text.parse::<OpaqueLayer>().unwrap());
    let options = OpenOptions { opaque: stated.to_vec(), ..OpenOptions::default() };
    let inferred = Model::open_with(case.model(), &options).unwrap().infer().unwrap();
    let rows = table::rows(inferred.graph());
    let pooling = rows.iter().find(|row| row.layer == "pooling").unwrap();
    assert_eq!(pooling.masks_in, [Some("ne(%ids, 0)".to_owned())]);
    let wrong = OpenOptions { opaque: vec!["pooling=keep".parse().unwrap()], ..OpenOptions::default() };
    let said = Model::open_with(case.model(), &wrong).err().unwrap().to_string();
    assert!(said.contains("--opaque pooling") && said.contains("`block` (Custom>MaskedBlock)"), "{said}");
    assert!("block=perhaps".parse::<OpaqueLayer>().is_err());
}

/// A model as text that calls a layer `Custom>Own` on `%x`, read with a description of it.
fn read(call: &str, settings: &str, descriptions: &str) -> Result<Model, String> {
    let folder = tempfile::tempdir().unwrap();
    let [model, layers] = ["m.mq", "layers.mq"].map(|name| folder.path().join(name));
    let header = "masque 1 layers\nsemantics keras-3.15\nmodel \"m\"\n";
    let calls =
        format!("%x = InputLayer() {{shape = [B, T, 4]}}\n%own = \"Custom>Own\"({call}) {settings}\n");
    std::fs::write(&model, format!("{header}{calls}return output_0 = %own\n")).unwrap();
    std::fs::write(&layers, format!("masque 1 described\n{descriptions}")).unwrap();
    let options = OpenOptions { layers: vec![layers], ..OpenOptions::default() };
    Model::open_with(&model, &options).map_err(|error| error.to_string())
}

const OWN: &str = "
describe Own {rate = {default = 0.5, type = float}, units = int} body {
  %x = Argument()
  %dense = Dense(%x) {units = \"2 * $units\"}
  return output_0 = %dense
}
";

#[test]
fn a_described_layer_has_the_types_of_its_body() {
    let model = read("%x", "{units = 3}", OWN).unwrap();
    let rows = table::rows(model.infer().unwrap().graph());
    assert_eq!(rows.last().unwrap().types, ["f32[B, T, 6]"]);
}

/// Each is one line that names the layer or the place.
#[test]
fn layers_that_are_not_as_described_are_refused() {
    for (call, settings, words) in [
        ("%x", "{}", "setting `units`: expected int, found nothing"),
        ("%x", "{units = 2.5}", "setting `units`: expected int, found 2.5"),
        ("%x", "{units = 3, depth = 1}", "setting `depth`: expected no such setting"),
        ("%x", "{units = -1}", "layer `own/dense` (Dense): setting `units`"),
        ("[%x, %x]", "{units = 3}", "expected 1 tensor(s) for `x`"),
        ("%x, %x", "{units = 3}", "expected arguments (x), found more"),
        ("%x, scale = 2", "{units = 3}", "expected arguments (x), found `scale`"),
        ("", "{units = 3}", "expected 1 tensor(s) for `x`"),
    ] {
        let refusal = read(call, settings, OWN).err().unwrap_or_else(|| panic!("{call} {settings}"));
        assert!(refusal.contains(words) && !refusal.contains('\n'), "{refusal}");
    }
}

const CHOOSING: &str = "
describe Own {first = {default = false, type = bool}, mode = {default = plain, only = [plain, twice], type = str}} body {
  layer %norm = LayerNormalization
  layer %dense = Dense {units = 4}
  %x = Argument()
  %gate = Argument() {optional = true}
  %scale = Argument() {default = 1.0, type = float}
  %before = ops.When(%x) {condition = $first}
  %norm = LayerNormalization(%before)
  %read = ops.Coalesce(%norm, %x)
  %dense = Dense(%read)
  %gated = ops.Multiply(%dense, %gate)
  %passed = ops.Coalesce(%gated, %dense)
  %twice = ops.When(%passed) {condition = \"$mode == twice\"}
  %doubled = ops.Multiply(%twice, \"2 * $scale\")
  %after = ops.When(%passed) {condition = \"not $first\"}
  %norm:1 = LayerNormalization(%after)
  %output = ops.Coalesce(%doubled, %norm:1, %passed)
  return output_0 = %output
}
";

/// The calls of a body are those whose arguments are there, and no operation that nothing needs.
#[test]
fn settings_and_arguments_choose_the_calls() {
    for (call, settings, calls) in [
        ("%x", "{}", "own/dense own/norm"),
        ("%x", "{first = true}", "own/norm own/dense"),
        ("%x, %x", "{first = true}", "own/norm own/dense own/gated"),
        ("%x, gate = %x", "{mode = twice}", "own/dense own/gated own/doubled own/norm"),
        ("%x, scale = 3.0", "{first = true, mode = twice}", "own/norm own/dense own/doubled"),
    ] {
        let model =
            read(call, settings, CHOOSING).unwrap_or_else(|error| panic!("{call} {settings}: {error}"));
        let graph = model.graph();
        let names = graph.calls().map(|id| graph.layer_of(id).name.as_str());
        let inside: Vec<&str> =
            names.filter(|name| name.contains('/') && !["own/x", "own/gate"].contains(name)).collect();
        // The order is that of running, in which a layer may stand behind what reads another of its calls.
        assert_eq!(inside.join(" ").replace(" own/norm own/norm", " own/norm"), calls, "{call} {settings}");
        assert!(table::rows(model.infer().unwrap().graph()).last().unwrap().types == ["f32[B, T, 4]"]);
    }
}

#[test]
fn what_a_description_is_not_for_is_refused() {
    for (call, settings, words) in [
        ("%x", "{mode = thrice}", "setting `mode`: expected \"plain\" or \"twice\", found \"thrice\""),
        ("%x, scale = %x", "{}", "expected float for `scale`, found a tensor"),
        ("%x, scale = deep", "{}", "expected float for `scale`, found \"deep\""),
        ("%x, gate = [%x, %x]", "{}", "expected 1 tensor(s) for `gate`"),
    ] {
        let refusal = read(call, settings, CHOOSING).err().unwrap_or_else(|| panic!("{call} {settings}"));
        assert!(refusal.contains(words) && !refusal.contains('\n'), "{refusal}");
    }
    let twice = "%x)\n%own:1 = \"Custom>Own\"(%x, scale = 2.0";
    let refusal = read(twice, "", CHOOSING).err().unwrap();
    assert!(refusal.contains("calls that pass the same for `scale`"), "{refusal}");
}

/// A class that extends one of Keras and has no call of its own.
#[test]
fn a_class_that_is_one_of_keras_is_read_as_that() {
    let model = read("%x", "{units = 3}", "describe Own as Dense\n").unwrap();
    let rows = table::rows(model.infer().unwrap().graph());
    assert_eq!(
        (rows.last().unwrap().class.as_str(), &*rows.last().unwrap().types),
        ("Dense", &["f32[B, T, 3]".to_owned()][..])
    );
    let refusal = read("%x", "{unit = 3, units = 2}", "describe Own as Dense\n").err().unwrap();
    assert!(refusal.contains("`unit`"), "{refusal}");
}

/// What descriptions that come along do not say is refused by name; one of the same class goes before them.
#[test]
fn caches_and_places_that_are_tensors_are_refused() {
    let hub = |class: &str, call: &str, settings: &str, layers: &str| {
        let other = format!(
            "masque 1 layers\nsemantics keras-3.15\nmodel \"m\"\n%x = InputLayer() {{shape = [B, T, 4]}}\n%own = \"{class}\"({call}) {settings}\nreturn output_0 = %own\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let [model, file] = ["m.mq", "layers.mq"].map(|name| folder.path().join(name));
        std::fs::write(&model, other).unwrap();
        std::fs::write(&file, format!("masque 1 described\n{layers}")).unwrap();
        let options = OpenOptions { layers: vec![file], ..OpenOptions::default() };
        let opened = Model::open_with(&model, &options).and_then(Model::infer);
        opened
            .map(|inferred| table::rows(inferred.graph()).last().unwrap().types.clone())
            .map_err(|error| error.to_string())
    };
    let sine = "keras_hub>SinePositionEncoding";
    assert_eq!(hub(sine, "%x", "{}", ""), Ok(vec!["f32[B, T, 4]".to_owned()]));
    assert_eq!(hub("keras_nlp>SinePositionEncoding", "%x", "{}", ""), hub(sine, "%x", "{}", ""));
    let own = "describe \"keras_hub>SinePositionEncoding\" body {\n  %x = Argument()\n  %y = ops.Sum(%x)\n  return output_0 = %y\n}\n";
    assert_eq!(hub(sine, "%x", "{}", own), Ok(vec!["f32[]".to_owned()]));
    let attention = "keras_hub>CachedMultiHeadAttention";
    let heads = "{key_dim = 2, num_heads = 2}";
    for (class, call, settings, words) in [
        (sine, "%x, start_index = %x", "{}", "expected int for `start_index`, found a tensor"),
        (attention, "%x, %x, cache = %x", heads, "expected nothing for `cache`, found a tensor"),
        (
            attention,
            "%x, %x, return_attention_scores = true",
            heads,
            "expected false for `return_attention_scores`, found true",
        ),
        (
            attention,
            "%x, %x",
            "{key_dim = 2, num_heads = 2, use_gate = true}",
            "setting `use_gate`: expected false, found true",
        ),
        ("Custom>SinePositionEncoding", "%x", "{}", "--layers"),
        ("keras_hub>AlibiBias", "%x", "{}", "--layers"),
    ] {
        let refusal = hub(class, call, settings, "").err().unwrap_or_else(|| panic!("{class} {call}"));
        assert!(refusal.contains(words) && !refusal.contains('\n'), "{refusal}");
    }
}

/// A layer that nobody knows: what is known of the rest is shown, and an error names the layer, until its rule is stated.
#[test]
fn a_verdict_waits_for_the_rule_of_a_layer() {
    let case = corpus::described().into_iter().find(|case| case.name == "described/classifier-open").unwrap();
    let model = case.model().display().to_string();
    let masque = |arguments: &[&str]| {
        run(MASQUE.as_ref(), &case.folder, &[&[arguments[0], model.as_str()], &arguments[1..]].concat())
    };
    for arguments in [&["masks", "--format", "text"][..], &["masks", "--format", "json"], &["check"]] {
        let done = masque(arguments);
        assert_eq!(done.status, Some(2), "{arguments:?}: {}", done.stderr);
        assert_eq!(done.stderr.trim_end().lines().count(), 1, "{}", done.stderr);
        assert!(done.stderr.contains("not in the file") && done.stderr.contains("=keep"), "{}", done.stderr);
    }
    assert!(masque(&["masks", "--format", "text"]).text().contains("unknown(%block)"));
    assert!(masque(&["check", "--format", "json"]).text().contains("layer-opaque"));
    let stated = ["--opaque", "MaskedBlock=keep", "--opaque", "embedding=lost"];
    for command in ["masks", "check"] {
        let done = masque(&[&[command], &stated[..]].concat());
        assert!(done.status != Some(2), "{}", done.stderr);
    }
    masque(&["build", "-o", "/dev/null"]).refusal().unwrap();
}

#[test]
fn descriptions_that_cannot_be_are_refused() {
    let many = |count: usize| {
        let others = (1..count).map(|n| format!("  %y:{n} = Inner(%y)\n"));
        "  %y = Inner(%x)\n".to_owned() + &others.collect::<String>()
    };
    let body = |class: &str, calls: &str| {
        format!("describe {class} body {{\n  %x = Argument()\n{calls}  return output_0 = %y\n}}\n")
    };
    let huge = ["Own", "A", "B", "C"].map(|class| {
        let inner = match class {
            "Own" => "A",
            "A" => "B",
            "B" => "C",
            _ => "Dense",
        };
        body(class, &many(40).replace("Inner", inner))
    });
    let chain = |length: usize, name: fn(usize) -> String| {
        let one = |n: usize| body(&name(n), &format!("  %y = {}(%x)\n", name(n + 1)));
        (0..length).map(one).collect::<String>()
    };
    for (descriptions, words) in [
        (body("Own", "  %y = Own(%x)\n"), "within itself"),
        (body("Own", "  %y = A(%x)\n") + &body("A", "  %y = Own(%x)\n"), "within itself"),
        (huge.concat(), "a body of at most 65536 calls"),
        (chain(20_000, |n| format!("C{n:05}")), "at most 32 descriptions within one another"),
        (chain(33, |n| format!("C{}", 99 - n)), "at most 32 descriptions within one another"),
        (body("Dense", "  %y = LSTM(%x)\n"), "one of Keras"),
        (body("Own", "  %y = InputLayer()\n"), "layers and operations in the body"),
        (body("Own", "  %y = Nobody(%x)\n"), "unknown class Nobody"),
        (body("Own", "  %y = Dense(%x) {units = $units}\n"), "found `$units`"),
        (body("Own", "  %y = Dense(%x) {units = \"1 +\"}\n"), "`units`"),
        (
            "describe Own {units = number} body {\n  %x = Argument()\n  return output_0 = %x\n}\n".into(),
            "as the type of a setting",
        ),
        ("describe Own body {\n  %x = Argument(1)\n  return output_0 = %x\n}\n".into(), "on nothing"),
        ("describe Own body {\n  %x = Argument()\n  return\n}\n".into(), "at least one output"),
        (
            "describe Own body {\n  %x = Argument()\n  masks %x, %x\n  return output_0 = %x\n}\n".into(),
            "at most 1 masks",
        ),
        ("describe Own body {\n  %x = Argument()\n  return output_0 = %z\n}\n".into(), "defined before"),
        (OWN.repeat(2), "again"),
        ("describe Own as Nobody\n".into(), "a layer of Keras that it is the same as"),
        (body("Own", "  %y = ops.When(%x) {is = true}\n"), "one argument and a `condition`"),
        (body("Own", "  %y = ops.When(%x) {condition = 1}\n"), "`condition`: expected true or false"),
        (body("Own", "  %y = ops.When(%x) {condition = false}\n"), "for which the description gives each output"),
        (body("Own", "  %y = ops.Coalesce()\n"), "arguments, and no settings, for ops.Coalesce"),
        (body("Own", "  %y = Dense(%x) {units = \"$x_shape[-1]\"}\n"), "`units`"),
        (body("Own", "  %a = Argument() {optional = 1}\n  %y = Dense(%x) {units = 1}\n"), "that is not always a tensor"),
        (
            "describe Own {mode = {only = [1], type = str}} body {\n  %x = Argument()\n  return output_0 = %x\n}\n".into(),
            "as the type of a setting",
        ),
    ] {
        let refusal = read("%x", "{}", &descriptions);
        let refusal = refusal.and_then(|model| model.infer().map(drop).map_err(|error| error.to_string()));
        let refusal = refusal.err().unwrap_or_else(|| panic!("{descriptions}"));
        assert!(refusal.contains(words) && !refusal.contains('\n'), "{words}: {refusal}");
    }
}

/// A few lines that would come to more than there is room for.
#[test]
fn descriptions_that_grow_without_end_are_refused() {
    let body = |head: &str, calls: &str| {
        format!("describe {head} body {{\n  %x = Argument()\n{calls}  return output_0 = %y\n}}\n")
    };
    let level = |n: usize| {
        let head = if n == 0 { "Own {a = any}".to_owned() } else { format!("C{n} {{a = any}}") };
        body(&head, &format!("  %y = C{}(%x) {{a = [$a, $a]}}\n", n + 1))
    };
    let doubled = (0..30).map(level).collect::<String>() + &body("C30 {a = any}", "  %y = ops.Copy(%x)\n");
    let wide = body("Own {a = any}", &format!("  %y = Wide(%x) {{a = [{}1]}}\n", "$a, ".repeat(3000)))
        + &body("Wide {a = any}", "  %y = ops.Copy(%x)\n");
    let weight = |shape: &str| {
        let declared = format!("  layer %w = ops.Weight {{shape = {shape}}}\n");
        let calls = "  %w = ops.Weight()\n  %y = ops.Add(%x, %w)\n";
        body("Own {a = any}", calls).replace("  %x = Argument()\n", &(declared + "  %x = Argument()\n"))
    };
    let nested = |inner: String| body("Own {a = any}", &format!("  %y = Dense(%x) {{units = {inner}}}\n"));
    let long = format!("{{a = [{}1]}}", "1, ".repeat(3000));
    for (settings, descriptions, words) in [
        ("{a = 1}", doubled, "at most 1048576 calls and values from descriptions in a model, found more"),
        (long.as_str(), wide, "at most 1048576 calls and values"),
        ("{a = 1}", weight("[1099511627776, 1099511627776, 1099511627776]"), "layer `own/w`"),
        ("{a = 1}", weight("[9223372036854775807]"), "`shape`"),
        ("{a = 4}", weight("[$a, \"-1 - $a * 99\"]"), "`shape`"),
        ("{a = 9223372036854775807}", nested("$a".into()), "`units`"),
        ("{a = 99}", nested("\"$a ** 99\"".into()), "a number of 64 bits"),
        ("{a = 1}", nested(format!("{}1{}", "[".repeat(99_999), "]".repeat(99_999))), "within one another"),
        ("{a = 1}", nested(format!("\"{}$a\"", "(".repeat(99_999))), "within one another"),
        ("{a = 1}", nested(format!("\"{}$a\"", "-".repeat(99_999))), "within one another"),
        ("{a = 1}", nested(format!("\"$a{}\"", "[0]".repeat(99_999))), "with an item 0"),
    ] {
        let refusal = read("%x", settings, &descriptions);
        let refusal = refusal.and_then(|model| model.infer().map(drop).map_err(|error| error.to_string()));
        let refusal = refusal.err().unwrap_or_else(|| panic!("{words}"));
        let line = refusal.len() < 1000 && !refusal.contains('\n');
        assert!(refusal.contains(words) && line, "{words}: {}", &refusal[..refusal.len().min(500)]);
    }
}

/// A weight that the description leaves out would be one that nobody computes with.
#[test]
fn weights_that_a_description_leaves_over_are_refused() {
    let case = corpus::described().into_iter().find(|case| case.name == "described/attention-plain").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let layers = folder.path().join("layers.mq");
    let text = std::fs::read_to_string(case.folder.join("layers.mq")).unwrap();
    let at = text.find("describe PlainAttention").unwrap();
    let plain = format!("masque 1 described\n\n{}", text[at..].split("\ndescribe B").next().unwrap());
    let without = plain
        .replace("  layer %b = ops.Weight {shape = [-2, 1]}\n", "")
        .replace("  %b = ops.Weight(%x)\n", "")
        .replace("ops.Add(%product, %b)", "ops.Add(%product, 0.0)");
    let shaped = plain.replace("{shape = [-2, 1]}", "{shape = [7, 1]}");
    for (text, words) in [(without, "belongs to no weight"), (shaped, "expected")] {
        std::fs::write(&layers, &text).unwrap();
        let options = OpenOptions { layers: vec![layers.clone()], ..OpenOptions::default() };
        let opened = Model::open_with(case.model(), &options).and_then(Model::infer);
        let refusal = opened.and_then(|mut inferred| inferred.require_weights()).err();
        let refusal = refusal.unwrap_or_else(|| panic!("{text}")).to_string();
        assert!(refusal.contains(words) && refusal.contains("attention"), "{refusal}");
    }
}
