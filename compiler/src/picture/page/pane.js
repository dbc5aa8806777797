"use strict";
// What the page shows: a chosen box, a mask whose life is lit, and pictures of stages beside each other.
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const now = { chosen: null, call: null, mask: null, playing: false, pane: null };
const panes = [];
const MANY = 300;

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
// What is read when it is looked at: stages, and what is known of calls. What is long is compressed.
const known = new Map();
const part = (id) => {
  if (!known.has(id)) known.set(id, JSON.parse(element(id).textContent));
  return known.get(id);
};
const isThere = (id) => known.has(id) || element(id).type === "application/json";
async function unpack(id) {
  const packed = Uint8Array.from(atob(element(id).textContent), (letter) => letter.charCodeAt(0));
  const text = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  known.set(id, await new Response(text).json());
}
const stageAt = (place) => part(data.stages[place]);

// What a screen reader says of a box: its whole name, its lines, and the finding that a border alone shows.
function read(node) {
  const title = node.querySelector("title").textContent;
  const lines = Array.from(node.querySelectorAll(".dim"), (line) => line.textContent);
  const finding = ["error", "warning"].filter((finding) => node.classList.contains(finding));
  return [title, ...lines.filter((line) => !title.endsWith(line)), ...finding].join(", ");
}

// A box, and where it lies in the picture.
function placed(node) {
  const box = node.querySelector(".box");
  const [left, top, width, height] = ["x", "y", "width", "height"].map((name) => Number(box.getAttribute(name)));
  return { node, left, top, right: left + width, bottom: top + height };
}

// A picture of one view of a stage, and the eye that looks at it.
class Pane {
  constructor(place) {
    this.root = element("pane").content.firstElementChild.cloneNode(true);
    this.canvas = this.root.querySelector(".canvas");
    this.drawing = this.root.querySelector(".view");
    this.eye = { x: 0, y: 0, scale: 1 };
    this.boxes = [];
    this.place = place;
    this.inside = 0;
    this.listen();
  }
  get stage() {
    return stageAt(this.place);
  }
  get view() {
    return this.stage.views[this.inside];
  }
  drawn(kind) {
    return Array.from(this.drawing.querySelectorAll(kind));
  }
  node(name) {
    return this.drawn(".node").find((node) => node.dataset.node === name);
  }

  look() {
    const { x, y, scale } = this.eye;
    this.drawing.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
    // Of many boxes, those outside of the window are left out: their text takes long to lay out.
    if (this.boxes.length <= MANY) return;
    const { across, down } = this.size;
    for (const { node, left, top, right, bottom } of this.boxes) {
      const seen = right * scale + x > 0 && left * scale + x < across && bottom * scale + y > 0 && top * scale + y < down;
      if (seen === (node.style.display === "none")) node.style.display = seen ? "" : "none";
    }
  }
  // Before anything is drawn: after that the browser would have to lay it out first.
  measure() {
    this.size = { across: this.canvas.clientWidth, down: this.canvas.clientHeight };
  }
  fit() {
    const [{ across, down }, { width, height }, eye] = [this.size, this.view, this.eye];
    eye.scale = Math.min(1.2, across / width, down / height) || 1;
    // What would be too small to read begins at its top.
    if (eye.scale < 0.45) eye.scale = Math.min(0.8, Math.max(0.45, across / width));
    eye.x = (across - width * eye.scale) / 2;
    eye.y = Math.max(0, (down - height * eye.scale) / 2);
    this.look();
  }
  zoom(factor, x = this.size.across / 2, y = this.size.down / 2) {
    const eye = this.eye;
    const scale = Math.min(6, Math.max(0.02, eye.scale * factor));
    eye.x = x - (x - eye.x) * (scale / eye.scale);
    eye.y = y - (y - eye.y) * (scale / eye.scale);
    eye.scale = scale;
    this.look();
  }
  move(x, y) {
    this.eye.x += x;
    this.eye.y += y;
    this.look();
  }
  centre(node) {
    const { left, top, right, bottom } = this.boxes.find((box) => box.node === node);
    const [{ across, down }, eye] = [this.size, this.eye];
    eye.scale = Math.max(eye.scale, 0.7);
    eye.x = (across - (left + right) * eye.scale) / 2;
    eye.y = (down - (top + bottom) * eye.scale) / 2;
    this.look();
  }

  show(place, inside) {
    this.place = place;
    this.inside = inside;
    this.drawing.replaceChildren();
    this.buttons();
    this.measure();
    this.drawing.innerHTML = this.view.svg;
    this.boxes = this.drawn(".node").map(placed);
    for (const { node } of this.boxes) {
      const name = node.dataset.node;
      node.setAttribute("tabindex", "0");
      node.setAttribute("role", "button");
      node.querySelector("title").textContent = read(node);
      const folded = node.classList.contains("folded");
      node.addEventListener("click", () => press(this, name, folded));
      node.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        press(this, name, folded);
      });
    }
    this.fit();
  }
  buttons() {
    this.root.querySelector(".stages").replaceChildren(
      ...data.stages.map((name, place) =>
        button(name, () => change(place, this), { "aria-pressed": place === this.place })
      )
    );
    const views = this.stage.views;
    const trail = [];
    for (let at = this.inside; at !== null && at !== undefined; at = views[at].parent) trail.unshift(at);
    const whole = views.findIndex((other) => other.parent === null && other.name === "whole");
    if (whole > 0 && this.inside === 0) trail.push(whole);
    this.root.querySelector(".trail").replaceChildren(
      ...(views.length > 1 ? trail : []).map((at) =>
        button(views[at].name, () => show(this.place, at, this), { "aria-current": at === this.inside })
      )
    );
  }

  // The box that stands for what is chosen: of that name, or lowered from the same call.
  chosen() {
    const nodes = this.stage.nodes;
    if (now.chosen === null) return null;
    if (now.chosen in nodes) return now.chosen;
    const same = ([, node]) => now.call !== null && node.call === now.call && node.role !== "weight";
    return Object.entries(nodes).find(same)?.[0] ?? null;
  }
  // Shows what is chosen in another picture.
  follow() {
    const name = this.chosen();
    if (name === null) return;
    const { views } = this.stage.nodes[name];
    if (!views.includes(this.inside)) this.show(this.place, views[0] ?? 0);
    const node = this.node(name);
    if (node) this.centre(node);
  }
  // The mask that is lit here; where it was lit in another stage, the one that a box of the same name has.
  lit() {
    if (now.mask === null) return -1;
    const { stage, at } = now.mask;
    if (stage === this.place) return at;
    const other = panes.find((pane) => pane.place === stage);
    const names = new Set(other?.drawn(`.node[data-mask="${at}"]`).map((node) => node.dataset.node));
    const same = this.drawn(".node[data-mask]").find((node) => names.has(node.dataset.node));
    return same === undefined ? -1 : Number(same.dataset.mask);
  }
  mark() {
    const { nodes } = this.stage;
    for (const node of this.drawn(".node")) {
      const { node: name } = node.dataset;
      const chosen = name === now.chosen;
      node.classList.toggle("chosen", chosen);
      node.classList.toggle("same", !chosen && now.call !== null && nodes[name]?.call === now.call);
    }
    const lit = this.lit();
    this.drawing.classList.toggle("lighting", lit >= 0);
    for (const part of this.drawn("[data-mask]")) part.classList.toggle("lit", Number(part.dataset.mask) === lit);
    this.root.classList.toggle("playing", now.playing);
  }

  // Fingers and mice: one moves, two zoom.
  listen() {
    const pointers = new Map();
    const canvas = this.canvas;
    this.root.addEventListener("pointerdown", () => activate(this));
    this.root.addEventListener("focusin", () => activate(this));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { left, top } = canvas.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY / 400), event.clientX - left, event.clientY - top);
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
        this.zoom(apart(event) / Math.max(1, apart(before)), others[0].clientX - left, others[0].clientY - top);
      } else this.move(event.clientX - before.clientX, event.clientY - before.clientY);
      pointers.set(event.pointerId, event);
    });
  }
}
