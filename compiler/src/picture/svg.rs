//! A picture as SVG, placed and drawn without any outside program.

use std::fmt::Write;

use super::layout::{Layout, Rect, layout};
use super::place::Point;
use super::style::{self, COLOURS, LINE, MARGIN};
use super::{Change, Edge, EdgeRole, Node, Picture, Role};
use crate::diagnostics::Severity;
use crate::xml::escaped;

/// Draws a picture: boxes from the top down, masks as coloured wires beside the tensors that carry them, a legend.
/// The text looks right by day and by night, and is the same bytes for the same picture.
pub fn draw(picture: &Picture) -> String {
    let (body, width, top) = fragment(picture);
    let legend = legend(picture);
    let widest = legend.iter().map(|(_, line)| line.chars().count()).max().unwrap_or(0);
    let width = width.max(widest as f64 * style::LETTER + 80.0);
    let height = top + legend.len() as f64 * LINE + if legend.is_empty() { 0.0 } else { 24.0 };
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"masque\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\"><title>{}</title><style>{}</style>",
        escaped(&picture.title),
        style::sheet()
    );
    svg.push_str(&body);
    draw_legend(&legend, top + 12.0, &mut svg);
    svg.push_str("</svg>\n");
    svg
}

/// The drawing without what is around it, and its width and height.
pub(super) fn fragment(picture: &Picture) -> (String, f64, f64) {
    let mut svg = String::new();
    let lines: Vec<Vec<String>> = picture.nodes.iter().map(|node| style::lines(picture, node)).collect();
    let sizes: Vec<(f64, f64)> = lines.iter().map(|lines| style::size(lines)).collect();
    let layout = layout(picture, &sizes);
    body(picture, &layout, &lines, &mut svg);
    (svg, layout.width, layout.height)
}

fn body(picture: &Picture, layout: &Layout, lines: &[Vec<String>], svg: &mut String) {
    for (group, rect) in picture.groups.iter().zip(&layout.groups) {
        let name = picture.short_name(&group.name, group.parent);
        let _ = write!(svg, "<g class=\"group\" data-group=\"{}\">", escaped(&group.name));
        self::rect(*rect, "frame", 8.0, svg);
        let (x, y) = (rect.x + MARGIN, rect.y + LINE);
        let _ = write!(svg, "<text class=\"dim\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text></g>", escaped(name));
    }
    // What runs under the other lines first.
    let mut edges: Vec<(&Edge, &Vec<Point>)> = picture.edges.iter().zip(&layout.ways).collect();
    edges.sort_by_key(|(edge, _)| (edge.leaks, edge.role != EdgeRole::Weight));
    for (edge, way) in edges {
        draw_edge(picture, edge, way, svg);
    }
    for ((node, rect), lines) in picture.nodes.iter().zip(&layout.nodes).zip(lines) {
        draw_node(node, *rect, lines, svg);
    }
}

fn draw_edge(picture: &Picture, edge: &Edge, way: &[Point], svg: &mut String) {
    let [from, to] = [edge.from, edge.to].map(|node| escaped(&picture.nodes[node].name));
    let path = path(way);
    let _ = write!(svg, "<g class=\"line\" data-from=\"{from}\" data-to=\"{to}\"");
    if let Some(mask) = edge.mask {
        let _ = write!(svg, " data-mask=\"{mask}\"");
    }
    svg.push('>');
    let colour = edge.mask.map(|mask| format!(" m{}", mask % COLOURS.len()));
    match (edge.role, &colour) {
        (EdgeRole::Mask, Some(colour)) => {
            let _ = write!(svg, "<path class=\"argument{colour}\" d=\"{path}\"/>");
        }
        (role, colour) => {
            if let Some(colour) = colour {
                let _ = write!(svg, "<path class=\"wire{colour}\" d=\"{path}\"/>");
            }
            let kind = match role {
                EdgeRole::Weight => " weight",
                EdgeRole::State => " state",
                EdgeRole::Mask => " flags",
                EdgeRole::Data => "",
            };
            let leak = if edge.leaks { " leak" } else { "" };
            let _ = write!(svg, "<path class=\"edge{kind}{leak}\" d=\"{path}\"/>");
        }
    }
    if let (Some(end), true) = (way.last(), edge.role != EdgeRole::Weight) {
        let (x, y) = (end.x, end.y);
        let (left, right, top) = (x - 3.5, x + 3.5, y - 6.0);
        let _ = write!(
            svg,
            "<path class=\"head\" d=\"M{x:.1} {y:.1}L{left:.1} {top:.1}L{right:.1} {top:.1}z\"/>"
        );
    }
    svg.push_str("</g>");
}

/// Through the points, upright at each.
fn path(way: &[Point]) -> String {
    let mut path = String::new();
    for (place, point) in way.iter().enumerate() {
        let Point { x, y } = *point;
        match place.checked_sub(1).map(|before| way[before]) {
            None => {
                let _ = write!(path, "M{x:.1} {y:.1}");
            }
            Some(before) if before == *point => {}
            Some(before) if (before.x - x).abs() < 0.05 => {
                let _ = write!(path, "V{y:.1}");
            }
            Some(before) => {
                let middle = (before.y + y) / 2.0;
                let _ = write!(path, "C{:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}", before.x);
            }
        }
    }
    path
}

fn rect(rect: Rect, class: &str, round: f64, svg: &mut String) {
    let Rect { x, y, width, height } = rect;
    let _ = write!(
        svg,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round}\"/>"
    );
}

fn draw_node(node: &Node, place: Rect, lines: &[String], svg: &mut String) {
    let role = match node.role {
        Role::Input => "input",
        Role::Call => "call",
        Role::Mask => "mask",
        Role::Weight => "weight",
        Role::Output => "output",
        Role::Group => "folded",
        Role::Outside => "outside",
    };
    let finding = match node.finding {
        Some(Severity::Error) => " error",
        Some(Severity::Warning) => " warning",
        None => "",
    };
    let change = match &node.change {
        Some(Change::Added) => " added",
        Some(Change::Removed) => " removed",
        Some(Change::Changed(_)) => " changed",
        None => "",
    };
    let name = escaped(&node.name);
    let _ = write!(svg, "<g class=\"node {role}{finding}{change}\" data-node=\"{name}\"");
    if let Some(mask) = node.mask {
        let _ = write!(svg, " data-mask=\"{mask}\"");
    }
    let _ = write!(svg, "><title>{name}: {}</title>", escaped(&node.does));
    rect(place, "box", 6.0, svg);
    if let Some(mask) = node.mask {
        let colour = format!("strip m{}", mask % COLOURS.len());
        rect(
            Rect { width: 5.0, x: place.x, y: place.y + 5.0, height: place.height - 10.0 },
            &colour,
            2.0,
            svg,
        );
    }
    for (number, line) in lines.iter().enumerate() {
        let (x, y) = (place.x + MARGIN + 4.0, place.y + LINE * (number as f64 + 1.0));
        let class = if number == 0 { "name" } else { "dim" };
        let _ = write!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(line));
    }
    svg.push_str("</g>");
}

/// The lines of the legend: each mask with its colour.
fn legend(picture: &Picture) -> Vec<(Option<usize>, String)> {
    let used = |mask: usize| {
        picture.nodes.iter().any(|node| node.mask == Some(mask))
            || picture.edges.iter().any(|edge| edge.mask == Some(mask))
    };
    let masks = picture.masks.iter().enumerate().filter(|(mask, _)| used(*mask));
    let mut legend: Vec<(Option<usize>, String)> =
        masks.map(|(mask, text)| (Some(mask), style::shortened(text))).collect();
    if picture.edges.iter().any(|edge| edge.leaks) {
        legend.push((None, "the path of padding to an output".to_owned()));
    }
    legend
}

fn draw_legend(legend: &[(Option<usize>, String)], top: f64, svg: &mut String) {
    for (number, (mask, text)) in legend.iter().enumerate() {
        let y = top + LINE * (number as f64 + 0.5);
        let class = match mask {
            Some(mask) => format!("wire m{}", mask % COLOURS.len()),
            None => "edge leak".to_owned(),
        };
        let _ = write!(svg, "<path class=\"{class}\" d=\"M16 {y:.1}H52\"/>");
        let baseline = y + 4.0;
        let _ = write!(svg, "<text class=\"dim\" x=\"62\" y=\"{baseline:.1}\">{}</text>", escaped(text));
    }
}
