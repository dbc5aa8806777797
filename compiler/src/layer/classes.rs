//! Names of classes, as files of Keras have them.

use serde_json::Value as Json;

/// The name of a class that is not of Keras: it must never be taken for Keras' class of the same name.
pub(crate) fn custom(class: &str, module: Option<&str>, registered: Option<&str>) -> String {
    match registered.filter(|name| name.contains('>')) {
        Some(registered) => registered.to_owned(),
        None => module.map_or_else(|| class.to_owned(), |module| format!("{module}.{class}")),
    }
}

/// The class of a layer among the settings of another one, named as that of a layer of the model is.
pub(crate) fn class_inside(entry: &Json) -> Option<String> {
    let text = |key: &str| entry.get(key).and_then(Json::as_str);
    let (class, module) = (text("class_name")?, text("module"));
    let is_keras = |module: &str| ["keras", "tf_keras"].iter().any(|package| is_inside(module, package));
    Some(match module.is_some_and(is_keras) {
        true => class.to_owned(),
        false => custom(class, module, text("registered_name")),
    })
}

/// Is a Python module that package, or inside it?
pub(crate) fn is_inside(module: &str, package: &str) -> bool {
    module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The name of a layer's group, where that many of the same class come before it.
pub(crate) fn group_name(class: &str, earlier: usize) -> String {
    // Groups are named after the Python class, which has another name in one place, and stands behind the package of a
    // custom class.
    let class = class.rsplit_once(['>', '.']).map_or(class, |(_, class)| class);
    let class = if class == "GroupQueryAttention" { "GroupedQueryAttention" } else { class };
    let number = if earlier == 0 { String::new() } else { format!("_{earlier}") };
    format!("{}{number}", snake_case(class))
}

/// Keras' `to_snake_case`: `SimpleRNN` is `simple_rnn`, `Conv1D` is `conv1d`, `ReLU` is `re_lu`.
pub(crate) fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class.chars().collect();
    let mut snake = String::new();
    for (place, c) in chars.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| chars[before]);
        let after = chars.get(place + 1);
        let word_begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit() && after.is_some_and(char::is_ascii_lowercase)
                    || before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase)
            });
        if word_begins {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn classes_in_snake_case() {
        for (class, snake) in [
            ("LSTM", "lstm"),
            ("SimpleRNN", "simple_rnn"),
            ("Conv1D", "conv1d"),
            ("ConvLSTM2D", "conv_lstm2d"),
            ("ReLU", "re_lu"),
            ("PReLU", "p_re_lu"),
            ("GlobalAveragePooling1D", "global_average_pooling1d"),
            ("My2DThing", "my2d_thing"),
            ("HTTPServerX2", "http_server_x2"),
        ] {
            assert_eq!(snake_case(class), snake);
        }
    }
}
