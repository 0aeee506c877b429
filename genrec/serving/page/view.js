// Elements for items. All text goes in as text, never as markup: titles are other people's.

import { picture } from "./api.js";

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function pictureOf(item) {
  if (!item.image) return null;
  const image = make("img", { class: "picture", alt: "", onerror: () => image.remove() });
  picture(item.item_id).then((url) => { image.src = url; }, () => image.remove());
  return image;
}

function idOf(item, shared) {
  const codes = item.semantic_id.match(/<[^>]*>/g) ?? [item.semantic_id];
  const parts = codes.map((code, at) => make("span", { class: at < shared ? "shared" : false }, code));
  return make("p", { class: "id", title: "Semantic ID" }, ...parts);
}

export function historyItem(item, added, remove) {
  const button = make("button", { class: "small", type: "button", "aria-label": `Remove ${item.title}`, onclick: remove }, "×");
  const text = make("div", {}, make("div", { class: "title" }, item.title), idOf(item, 0));
  return make("li", { class: added ? "item added" : "item", "data-item": item.item_id }, pictureOf(item) ?? make("span"), text, button);
}

function reasonOf(why) {
  if (!why) return null;
  if (why.thought !== null) return make("p", { class: "why" }, `After thought ${why.thought + 1}.`);
  const parts = [];
  if (why.like.length) parts.push(`ID begins like ${why.like.map((one) => one.title).join("; ")}`);
  if (why.terms.length) parts.push(`shares ${why.terms.join(", ")}`);
  return make("p", { class: "why" }, parts.length ? `Why: ${parts.join(", ")}.` : "Nothing in common with the history by ID or category.");
}

export function rankedItem(item, rank, best, { add, point }) {
  const shared = Math.max(0, ...(item.why?.like ?? []).map((one) => one.shared_codes));
  const fill = make("div");
  fill.style.width = `${Math.max(2, 100 * Math.exp(item.score - best))}%`;
  const chance = (100 * Math.exp(item.score)).toPrecision(2);
  const score = make("span", { class: "score", title: "Log-probability" }, `${item.score.toFixed(3)} (${chance} %)`);
  const text = make("div", {}, make("div", { class: "title" }, item.title), score,
    make("div", { class: "bar", "aria-hidden": "true" }, fill), idOf(item, shared), reasonOf(item.why));
  const button = make("button", {
    class: "small", type: "button", "aria-label": `Add ${item.title} to the history`, onclick: () => add(item),
    onfocus: () => point(item), onblur: () => point(null),
  }, "+");
  const front = make("div", {}, make("div", { class: "rank" }, `${rank}.`), pictureOf(item));
  return make("li", {
    class: "item", "data-item": item.item_id, onmouseenter: () => point(item), onmouseleave: () => point(null),
  }, front, text, button);
}
