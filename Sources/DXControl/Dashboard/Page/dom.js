// Elements of the page. What the gateway says becomes text, never markup: nothing here takes HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(name, String(value));
  }
  node.append(...children);
  return node;
}

// An element: el("p", {class: "quiet", text: "…"}, child, …).
export const el = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

// The same of a picture.
export const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

// Sets a text that is another one: what is the same is left alone, for who has selected it and for screen readers.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Brings the children of `parent` into line with `items`: `make(item)` for a new key, `update(node, item)` for each. Nodes that stay are kept,
// with their focus.
export function keep(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let node = old.get(name);
    old.delete(name);
    if (!node) {
      node = make(item);
      node.dataset.key = name;
    }
    update(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of old.values()) node.remove();
}
