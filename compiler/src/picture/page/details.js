// What is known of the chosen box, beside the pictures.
function details() {
  if (now.call !== null && !isThere("calls")) return void unpack("calls").then(details).then(mark);
  const panel = element("panel");
  const stage = now.pane.stage;
  const parts = [];
  const head = (text) => parts.push(make("h3", text));
  const lines = (title, texts, tag = "p") => {
    if (texts.length === 0) return;
    head(title);
    parts.push(...texts.map((text) => make(tag, text)));
  };
  const chosen = now.chosen === null ? undefined : stage.nodes[now.chosen];
  const call = now.call === null ? undefined : part("calls")[now.call];
  if (chosen === undefined) {
    parts.push(make("h2", data.title), make("p", "Choose a box to see what is known of it.", { class: "dim" }));
    const changed = Object.entries(stage.changes ?? {});
    if (changed.length > 0) head("What changed");
    for (const [name, change] of changed) {
      const died = change.died ? ", a mask dies here" : "";
      parts.push(button(`${name}: ${change.kind}${died}`, () => go(name), { class: "change" }));
    }
  } else {
    parts.push(make("h2", now.chosen), make("p", chosen.does, { class: "dim" }));
    if (chosen.call && chosen.call !== now.chosen) lines("Lowered from", [`${chosen.call}: ${call.class}`]);
    lines("Gives", chosen.types, "pre");
    const change = stage.changes?.[now.chosen];
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
  if (chosen !== undefined && call !== undefined) parts.push(...ofCall(call));
  if (chosen?.line) lines("Text form", [chosen.line], "pre");
  if (stage.masks.length > 0) {
    head("Masks of this stage: light one up");
    stage.masks.forEach((text, mask) => {
      const made = button("", () => light(mask), { class: `mask m${mask % 8}`, "data-mask": mask, "aria-pressed": false });
      made.append(make("span", text));
      parts.push(made);
    });
  }
  panel.replaceChildren(...parts);
  panel.scrollTop = 0;
}

// What is known of a call of a layer, whatever the stage.
function ofCall(call) {
  const parts = [];
  const section = (title, ...contents) => contents.length > 0 && parts.push(make("h3", title), ...contents);
  const all = (texts, tag) => texts.map((text) => make(tag, text));
  for (const finding of call.findings) {
    const message = make("p", `${finding.severity}[${finding.code}]: ${finding.message}`, { class: finding.severity });
    const advice = make("ul");
    advice.append(...all(finding.advice, "li"));
    section("Finding", message, ...(finding.advice.length > 0 ? [advice] : []));
  }
  section("Settings", ...(call.settings.length > 0 ? [table(call.settings)] : []));
  const masks = (list) => all(list.filter((mask) => mask !== null), "pre");
  section("Masks that come in", ...masks(call.masks_in));
  section("Masks that go out", ...masks(call.masks_out));
  section("What happens to them", ...(call.status === "none" ? [] : all([call.status], "p")));
  section("Padding", ...all(call.padding, "p"));
  section("Mathematics", ...mathematics(call));
  section("Weights", ...all(call.weights, "pre"));
  if (call.cost) {
    const [whole, packed] = call.cost;
    const rows = [["as the model says", whole], ...(packed === whole ? [] : [["without padding", packed]])];
    section("Multiply-adds", table(rows));
  }
  return parts;
}
function table(rows) {
  const made = make("table");
  for (const [name, value] of rows) {
    const row = make("tr");
    row.append(make("th", name, { scope: "row" }), make("td", value));
    made.append(row);
  }
  return made;
}
// Typeset, and as text, which can be copied and says what formulas do not.
function mathematics(call) {
  if (call.typeset === "") return call.mathematics ? [make("pre", call.mathematics)] : [];
  const formulas = make("div", undefined, { class: "formulas", tabindex: "0", role: "region", "aria-label": "Formulas" });
  formulas.innerHTML = call.typeset;
  const text = make("details");
  text.append(make("summary", "As text"), make("pre", call.mathematics));
  return [formulas, text];
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
