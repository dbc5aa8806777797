"use strict";
// What is shown: a stage, one of its views, a chosen box, a mask whose life is lit. Everything on the page follows from it.
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const now = { stage: 0, view: 0, chosen: null, call: null, mask: null, playing: false };
const eye = { x: 0, y: 0, scale: 1 };

const make = (tag, text, attributes = {}) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
const button = (text, press, attributes) => {
  const made = make("button", text, { type: "button", ...attributes });
  made.addEventListener("click", press);
  return made;
};
const known = new Map();
const stageAt = (place) => {
  if (!known.has(place)) known.set(place, JSON.parse(element(data.stages[place]).textContent));
  return known.get(place);
};
const stage = () => stageAt(now.stage);
const view = () => stage().views[now.view];
const drawn = (kind) => Array.from(element("view").querySelectorAll(kind));

// The eye: where the picture lies on the canvas.
function look() {
  element("view").setAttribute("transform", `translate(${eye.x} ${eye.y}) scale(${eye.scale})`);
}
function fit() {
  const { clientWidth: width, clientHeight: height } = element("canvas");
  eye.scale = Math.min(1.2, width / view().width, height / view().height) || 1;
  // What would be too small to read begins at its top.
  if (eye.scale < 0.45) eye.scale = Math.min(0.8, Math.max(0.45, width / view().width));
  eye.x = (width - view().width * eye.scale) / 2;
  eye.y = Math.max(0, (height - view().height * eye.scale) / 2);
  look();
}
function zoom(factor, x = element("canvas").clientWidth / 2, y = element("canvas").clientHeight / 2) {
  const scale = Math.min(6, Math.max(0.02, eye.scale * factor));
  eye.x = x - (x - eye.x) * (scale / eye.scale);
  eye.y = y - (y - eye.y) * (scale / eye.scale);
  eye.scale = scale;
  look();
}
function centre(node) {
  const box = node.querySelector(".box");
  const at = (name) => Number(box.getAttribute(name));
  const { clientWidth: width, clientHeight: height } = element("canvas");
  eye.scale = Math.max(eye.scale, 0.7);
  eye.x = width / 2 - (at("x") + at("width") / 2) * eye.scale;
  eye.y = height / 2 - (at("y") + at("height") / 2) * eye.scale;
  look();
}

// The stage and the view.
function show(where, into) {
  now.stage = where;
  now.view = into;
  element("view").innerHTML = view().svg;
  for (const node of drawn(".node")) {
    const name = node.dataset.node;
    node.setAttribute("tabindex", "0");
    node.setAttribute("role", "button");
    node.setAttribute("aria-label", node.querySelector("title").textContent);
    const folded = node.classList.contains("folded");
    node.addEventListener("click", () => press(name, folded));
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        press(name, folded);
      }
    });
  }
  now.mask = null;
  buttons();
  mark();
  fit();
}
function buttons() {
  element("stages").replaceChildren(
    ...data.stages.map((name, place) => button(name, () => change(place), { "aria-pressed": place === now.stage }))
  );
  const trail = [];
  for (let at = now.view; at !== null && at !== undefined; at = stage().views[at].parent) trail.unshift(at);
  const whole = stage().views.findIndex((other) => other.parent === null && other.name === "whole");
  if (whole > 0 && now.view === 0) trail.push(whole);
  element("trail").replaceChildren(
    ...(stage().views.length > 1 ? trail : []).map((at) =>
      button(stage().views[at].name, () => show(now.stage, at), { "aria-current": at === now.view })
    )
  );
  element("leaks").hidden = !stage().leaks;
}
function change(place) {
  const call = now.call;
  const nodes = Object.entries(stageAt(place).nodes);
  const [name, found] = nodes.find(([name]) => name === now.chosen) ??
    nodes.find(([, node]) => call !== null && node.call === call && node.role !== "weight") ?? [null, null];
  show(place, found === null ? 0 : found.views[0] ?? 0);
  if (name !== null) choose(name);
}

// A box is pressed: a folded group opens, anything else is chosen.
function press(name, folded) {
  const inside = stage().views.findIndex((other) => other.parent !== null && other.name === name);
  if (folded && inside > 0) show(now.stage, inside);
  else choose(name);
}
function choose(name) {
  now.chosen = name;
  now.call = stage().nodes[name]?.call ?? null;
  mark();
  details();
  const node = drawn(".node").find((other) => other.dataset.node === name);
  if (node) node.focus({ preventScroll: true });
}
function mark() {
  for (const node of drawn(".node")) {
    const call = stage().nodes[node.dataset.node]?.call;
    node.classList.toggle("chosen", node.dataset.node === now.chosen);
    node.classList.toggle("same", now.call !== null && call === now.call && node.dataset.node !== now.chosen);
  }
  element("view").classList.toggle("lighting", now.mask !== null);
  for (const part of drawn("[data-mask]")) part.classList.toggle("lit", Number(part.dataset.mask) === now.mask);
  element("svg").classList.toggle("playing", now.playing);
  element("leaks").setAttribute("aria-pressed", now.playing);
  for (const other of document.querySelectorAll("#panel .mask"))
    other.setAttribute("aria-pressed", Number(other.dataset.mask) === now.mask);
}
function light(mask) {
  now.mask = now.mask === mask ? null : mask;
  mark();
}

// What is known of the chosen box.
function details() {
  const panel = element("panel");
  const parts = [];
  const head = (text) => parts.push(make("h3", text));
  const lines = (title, texts, tag = "p") => {
    if (texts.length === 0) return;
    head(title);
    parts.push(...texts.map((text) => make(tag, text)));
  };
  const chosen = now.chosen === null ? undefined : stage().nodes[now.chosen];
  const call = data.calls[now.call];
  if (chosen === undefined) {
    parts.push(make("h2", data.title), make("p", "Choose a box to see what is known of it.", { class: "dim" }));
    const changed = Object.entries(stage().changes ?? {});
    if (changed.length > 0) head("What changed");
    for (const [name, change] of changed) {
      const died = change.died ? ", a mask dies here" : "";
      parts.push(button(`${name}: ${change.kind}${died}`, () => go(name), { class: "change" }));
    }
  } else {
    parts.push(make("h2", now.chosen), make("p", chosen.does, { class: "dim" }));
    if (chosen.call && chosen.call !== now.chosen) lines("Lowered from", [`${chosen.call}: ${call.class}`]);
    lines("Gives", chosen.types, "pre");
    const change = stage().changes?.[now.chosen];
    if (change) {
      lines(`Between the models: ${change.kind}`, change.lines, "pre");
      if (change.died) parts.push(make("p", "A mask dies here.", { class: "warning" }));
    }
  }
  const given = data.values[now.call] ?? [];
  if (chosen !== undefined && given.length > 0) {
    head("In this run");
    for (const value of given) parts.push(...inRun(value));
  }
  if (chosen !== undefined && call !== undefined) {
    for (const finding of call.findings) {
      head("Finding");
      parts.push(make("p", `${finding.severity}[${finding.code}]: ${finding.message}`, { class: finding.severity }));
      parts.push(...finding.advice.map((text) => make("p", text)));
    }
    const masks = (list) => list.filter((mask) => mask !== null);
    lines("Masks that come in", masks(call.masks_in), "pre");
    lines("Masks that go out", masks(call.masks_out), "pre");
    lines("What happens to them", call.status === "none" ? [] : [call.status]);
    lines("Mathematics", call.mathematics ? [call.mathematics] : [], "pre");
    lines("Weights", call.weights, "pre");
  }
  if (chosen?.line) lines("Text form", [chosen.line], "pre");
  if (stage().masks.length > 0) {
    head("Masks of this stage: light one up");
    stage().masks.forEach((text, mask) => {
      const made = button("", () => light(mask), { class: `mask m${mask % 8}`, "data-mask": mask, "aria-pressed": false });
      made.append(make("span", text));
      parts.push(made);
    });
  }
  panel.replaceChildren(...parts);
  mark();
}

// What a call gave in a run: its type, its numbers, those of the first example as a picture, the steps its mask leaves.
const short = (number) => String(Number(number.toPrecision(4)));
function inRun(value) {
  const parts = [make("pre", value.ty)];
  const notes = value.range === null ? [] : [`${short(value.range[0])} to ${short(value.range[1])}`];
  if (value.not_finite > 0) notes.push(`${value.not_finite} not finite`);
  if (notes.length > 0) parts.push(make("p", notes.join(", ")));
  if (value.first.length > 0 && value.range !== null) {
    const [height, width] = [value.first.length, value.first[0].length];
    const label = `The first example: ${height} rows of ${width} numbers`;
    const made = make("canvas", undefined, { width, height, role: "img", class: "heat", "aria-label": label });
    paint(made.getContext("2d"), value);
    made.addEventListener("pointermove", (event) => {
      const at = (place, size, count) => Math.min(count - 1, Math.max(0, Math.floor((place / size) * count)));
      const row = at(event.offsetY, made.clientHeight, height);
      const column = at(event.offsetX, made.clientWidth, width);
      made.title = `[${row}, ${column}] = ${value.first[row][column] ?? "not finite"}`;
    });
    parts.push(make("p", "The first example:", { class: "dim" }), made);
  }
  if (value.texts.length > 0) parts.push(make("pre", value.texts.map((text) => JSON.stringify(text)).join("\n")));
  if (value.mask.length > 0) {
    const steps = (example) => Array.from(example, (step) => (step === "1" ? "\u25a0" : "\u25a1")).join("");
    const valid = value.mask.map((example) => `${example.split("1").length - 1} of ${example.length}`).join(", ");
    const attributes = { class: "strips", role: "img", "aria-label": `Valid steps, example by example: ${valid}` };
    parts.push(make("p", "Steps that its mask leaves, example by example:", { class: "dim" }));
    parts.push(make("pre", value.mask.map(steps).join("\n"), attributes));
  }
  return parts;
}
// Above 0 in one colour, below in another, the more the further away; what is not finite stays empty.
function paint(context, value) {
  const most = Math.max(Math.abs(value.range[0]), Math.abs(value.range[1])) || 1;
  value.first.forEach((row, y) => row.forEach((number, x) => {
    if (number === null) return;
    const [red, green, blue] = number < 0 ? [30, 110, 200] : [215, 100, 20];
    context.fillStyle = `rgba(${red}, ${green}, ${blue}, ${Math.abs(number) / most})`;
    context.fillRect(x, y, 1, 1);
  }));
}

// Search.
function search() {
  const text = element("search").value.trim().toLowerCase();
  const nodes = Object.entries(stage().nodes);
  const hit = ([name, node]) => name.toLowerCase().includes(text) || node.does.toLowerCase().includes(text);
  const found = text === "" ? [] : nodes.filter(hit).slice(0, 40);
  element("found").hidden = text === "";
  element("found").replaceChildren(
    ...found.map(([name, node]) => {
      const item = make("li");
      item.append(button(`${name} (${node.does})`, () => go(name)));
      return item;
    }),
    ...(found.length === 0 && text !== "" ? [make("li", "Nothing is called so.")] : [])
  );
  return found;
}
function go(name) {
  const views = stage().nodes[name].views;
  if (!views.includes(now.view)) show(now.stage, views[0] ?? 0);
  element("found").hidden = true;
  choose(name);
  const node = drawn(".node").find((other) => other.dataset.node === name);
  if (node) centre(node);
}

element("search").addEventListener("input", search);
element("search").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  const [first] = search();
  if (first) go(first[0]);
});
element("leaks").addEventListener("click", () => {
  now.playing = !now.playing;
  mark();
});
element("smaller").addEventListener("click", () => zoom(1 / 1.3));
element("larger").addEventListener("click", () => zoom(1.3));
element("fit").addEventListener("click", fit);
document.addEventListener("keydown", (event) => {
  if (event.target instanceof HTMLInputElement) {
    if (event.key === "Escape") element("canvas").focus();
    return;
  }
  const step = 60;
  const keys = {
    "/": () => element("search").focus(),
    "+": () => zoom(1.3),
    "-": () => zoom(1 / 1.3),
    0: fit,
    Escape: () => {
      now.mask = null;
      now.chosen = now.call = null;
      details();
    },
    ArrowLeft: () => (eye.x += step),
    ArrowRight: () => (eye.x -= step),
    ArrowUp: () => (eye.y += step),
    ArrowDown: () => (eye.y -= step),
  };
  if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.startsWith("Arrow") && element("panel").contains(event.target)) return;
  event.preventDefault();
  keys[event.key]();
  look();
});

// Fingers and mice: one moves, two zoom.
const pointers = new Map();
const canvas = element("canvas");
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const { left, top } = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 400), event.clientX - left, event.clientY - top);
}, { passive: false });
canvas.addEventListener("pointerdown", (event) => pointers.set(event.pointerId, event));
for (const end of ["pointerup", "pointercancel", "pointerleave"])
  canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
canvas.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const others = [...pointers.values()].filter((other) => other.pointerId !== event.pointerId);
  if (others.length === 1) {
    const { left, top } = canvas.getBoundingClientRect();
    const apart = (one) => Math.hypot(one.clientX - others[0].clientX, one.clientY - others[0].clientY);
    zoom(apart(event) / Math.max(1, apart(before)), others[0].clientX - left, others[0].clientY - top);
  } else {
    eye.x += event.clientX - before.clientX;
    eye.y += event.clientY - before.clientY;
    look();
  }
  pointers.set(event.pointerId, event);
});
addEventListener("resize", fit);

show(0, 0);
details();
