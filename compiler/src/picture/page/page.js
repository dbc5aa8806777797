// What a visitor does. Pictures and details follow from what is chosen.
function show(place, inside, pane = now.pane) {
  if (place !== pane.place) now.mask = null;
  pane.show(place, inside);
  mark();
}
async function change(place, pane = now.pane) {
  if (!isThere(data.stages[place])) await unpack(data.stages[place]);
  activate(pane);
  pane.place = place;
  const name = pane.chosen();
  show(place, name === null ? 0 : pane.stage.nodes[name].views[0] ?? 0, pane);
  if (name !== null) choose(name);
  else details();
}
// The picture that keys, tools and details are about.
function activate(pane) {
  const another = now.pane !== null && now.pane !== pane;
  now.pane = pane;
  for (const other of panes) other.root.classList.toggle("active", panes.length > 1 && other === pane);
  if (!another) return;
  now.chosen = pane.chosen();
  details();
  mark();
}

// A box is pressed: a folded group opens, anything else is chosen.
function press(pane, name, folded) {
  activate(pane);
  const inside = pane.stage.views.findIndex((other) => other.parent !== null && other.name === name);
  if (folded && inside > 0) show(pane.place, inside);
  else choose(name);
}
function choose(name) {
  const pane = now.pane;
  now.chosen = name;
  now.call = pane.stage.nodes[name]?.call ?? null;
  for (const other of panes) if (other !== pane) other.follow();
  details();
  mark();
  const node = pane.node(name);
  if (node?.style.display === "none") pane.centre(node);
  node?.focus({ preventScroll: true });
}
function mark() {
  for (const pane of panes) pane.mark();
  element("leaks").hidden = !panes.some((pane) => pane.stage.leaks);
  element("leaks").setAttribute("aria-pressed", now.playing);
  const lit = now.pane.lit();
  for (const other of document.querySelectorAll("#panel .mask"))
    other.setAttribute("aria-pressed", Number(other.dataset.mask) === lit);
}
function light(at) {
  const stage = now.pane.place;
  const same = now.mask !== null && now.mask.stage === stage && now.mask.at === at;
  now.mask = same ? null : { stage, at };
  mark();
}

// A second picture: of the stage that follows, with the same box chosen.
async function beside() {
  const [first, second] = panes;
  const next = Math.min(first.place + 1, data.stages.length - 1);
  if (second) {
    panes.pop();
    second.root.remove();
  } else {
    if (!isThere(data.stages[next])) await unpack(data.stages[next]);
    open(next);
  }
  element("beside").setAttribute("aria-pressed", panes.length > 1);
  for (const pane of panes) {
    pane.measure();
    pane.fit();
    pane.follow();
  }
  activate(first);
  details();
  mark();
}
function open(place) {
  const pane = new Pane(place);
  panes.push(pane);
  element("panes").append(pane.root);
  pane.show(place, 0);
  return pane;
}

// Search.
function search() {
  const text = element("search").value.trim().toLowerCase();
  const nodes = Object.entries(now.pane.stage.nodes);
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
  const pane = now.pane;
  const { views } = pane.stage.nodes[name];
  if (!views.includes(pane.inside)) show(pane.place, views[0] ?? 0);
  element("found").hidden = true;
  choose(name);
  const node = pane.node(name);
  if (node) pane.centre(node);
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
element("beside").addEventListener("click", beside);
element("smaller").addEventListener("click", () => now.pane.zoom(1 / 1.3));
element("larger").addEventListener("click", () => now.pane.zoom(1.3));
element("fit").addEventListener("click", () => now.pane.fit());
document.addEventListener("keydown", (event) => {
  if (event.target instanceof HTMLInputElement) {
    if (event.key === "Escape") now.pane.canvas.focus();
    return;
  }
  const step = 60;
  const keys = {
    "/": () => element("search").focus(),
    "+": () => now.pane.zoom(1.3),
    "-": () => now.pane.zoom(1 / 1.3),
    0: () => now.pane.fit(),
    Escape: () => {
      now.mask = null;
      now.chosen = now.call = null;
      element("found").hidden = true;
      details();
      mark();
    },
    ArrowLeft: () => now.pane.move(step, 0),
    ArrowRight: () => now.pane.move(-step, 0),
    ArrowUp: () => now.pane.move(0, step),
    ArrowDown: () => now.pane.move(0, -step),
  };
  if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.startsWith("Arrow") && element("panel").contains(event.target)) return;
  event.preventDefault();
  keys[event.key]();
});
addEventListener("resize", () => {
  for (const pane of panes) {
    pane.measure();
    pane.fit();
  }
});

element("beside").hidden = data.stages.length < 2;
activate(open(0));
details();
mark();
