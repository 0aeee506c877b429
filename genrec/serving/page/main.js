// The page: a history on one side, what the generator makes of it on the other.

import { get, post, Refused, setToken } from "./api.js";
import { historyItem, make, rankedItem } from "./view.js";

const at = (id) => document.getElementById(id);
const state = { user: null, items: [], added: new Set(), changed: false };
let latest = 0; // the number of the newest question; answers to older ones are dropped

function say(text, bad = false) {
  at("status").textContent = text;
  at("status").classList.toggle("bad", bad);
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    at("token-form").hidden = error.status !== 401;
    if (error.status === 401) at("token").focus();
    say(error.message, true);
  }
}

function later(work, milliseconds) {
  let timer;
  return () => { clearTimeout(timer); timer = setTimeout(() => guarded(work), milliseconds); };
}

function showVersions({ name, model, catalogue }) {
  at("versions").textContent = `model ${name} (${model.slice(0, 12)}), catalogue version ${catalogue}`;
}

// With one model there is nothing to choose.
async function offerModels() {
  const { models } = await get("/v1/models");
  const chosen = at("model").value;
  at("model").replaceChildren(...models.map(({ name }) => make("option", { value: name, selected: name === chosen }, name)));
  at("model-label").hidden = models.length < 2;
}

// The history

async function showUser(user) {
  const found = await get("/v1/history", { user_id: user, limit: 1000 });
  Object.assign(state, { user, items: found.items, added: new Set(), changed: false });
  showVersions(found.versions);
  showHistory();
  await ask();
}

function showHistory() {
  const rows = state.items.map((item, place) => historyItem(item, state.added.has(item), () => change(() => {
    state.items.splice(place, 1);
    state.added.delete(item);
  })));
  at("history").replaceChildren(...rows);
  at("history").scrollTop = at("history").scrollHeight; // the latest stand at the end
  at("history-empty").hidden = rows.length > 0;
  const unsaved = state.user ? state.added.size : 0;
  at("save").hidden = !unsaved;
  at("save").textContent = `Save ${unsaved} to the history of ${state.user}`;
}

function change(how) {
  how();
  state.changed = true;
  showHistory();
  guarded(ask);
}

const add = (item) => change(() => {
  const own = { ...item };
  state.items.push(own);
  state.added.add(own);
});

async function save() {
  const events = state.items.filter((item) => state.added.has(item))
    .map((item) => ({ user_id: state.user, item_id: item.item_id, event_id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` }));
  const done = await post("/v1/feedback", { events });
  await showUser(state.user);
  say(`Saved: ${done.stored}.`);
}

// The answer

function question() {
  const session = at("kind").value === "session";
  const count = Math.min(Math.max(Number(at("count").value) || 1, 1), session ? 20 : 50);
  const whole = state.user !== null && !state.changed; // then more is known of each event than its item
  const whose = whole ? { user_id: state.user } : { history: state.items.map((item) => item.item_id) };
  const wanted = session ? { session: count, k: 1 } : { k: count };
  return { ...whose, ...wanted, model: at("model").value, beams: Number(at("beams").value), explain: true };
}

async function ask() {
  const number = ++latest;
  say("Searching …");
  const started = performance.now();
  const answer = await post("/v1/recommend", question());
  if (number !== latest) return;
  showVersions(answer.versions);
  showAnswer(answer);
  const what = answer.cold_start ? "Cold start: " : "";
  say(`${what}answered in ${Math.round(performance.now() - started)} ms.`);
}

function showAnswer({ items, sessions, explanation }) {
  const groups = items ? [{ items }] : sessions;
  const rows = groups.flatMap((group, place) => {
    const best = Math.max(...group.items.map((item) => item.score));
    const heading = items ? [] : [make("li", { class: "session-heading" }, `Session ${place + 1}, score ${group.score.toFixed(3)}`)];
    return [...heading, ...group.items.map((item, rank) => rankedItem(item, rank + 1, best, { add, point }))];
  });
  at("answer").replaceChildren(...(rows.length ? rows : [make("li", { class: "note" }, "Nothing is left to recommend.")]));
  at("thoughts").hidden = !explanation?.thoughts.length;
  at("thoughts").textContent = explanation?.thoughts.join("\n\n") ?? "";
  at("note").textContent = explanation ? `Reasons: ${explanation.note}.` : "";
}

// Marks what the history has in common with an item that is looked at.
function point(item) {
  const alike = new Set((item?.why?.like ?? []).map((one) => one.item_id));
  for (const row of at("history").children) row.classList.toggle("alike", alike.has(row.dataset.item));
}

// Searching

const findUsers = later(async () => {
  const { users } = await get("/v1/users", { query: at("user").value, limit: 20 });
  at("users").replaceChildren(...users.map((user) => make("option", { value: user })));
}, 150);

const findItems = later(async () => {
  const query = at("item").value.trim();
  const { items } = query ? await get("/v1/items", { query, limit: 6 }) : { items: [] };
  const choose = (item) => () => {
    at("item").value = "";
    at("found").replaceChildren();
    at("item").focus();
    add(item);
  };
  const rows = items.map((item) => make("li", {}, make("button", { type: "button", onclick: choose(item) }, item.title)));
  at("found").replaceChildren(...(rows.length || !query ? rows : [make("li", { class: "note" }, "No such item.")]));
}, 150);

const onSubmit = (id, work) => at(id).addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(work);
});

onSubmit("user-form", async () => { if (at("user").value) await showUser(at("user").value); });
onSubmit("controls", ask);
onSubmit("token-form", async () => {
  setToken(at("token").value);
  at("token-form").hidden = true;
  await begin();
});
at("user").addEventListener("input", findUsers);
at("item").addEventListener("input", findItems);
at("save").addEventListener("click", () => guarded(save));
at("clear").addEventListener("click", () => {
  at("user").value = "";
  Object.assign(state, { user: null, items: [], added: new Set(), changed: false });
  showHistory();
  guarded(ask);
});
for (const id of ["kind", "count", "model", "beams"]) at(id).addEventListener("change", () => guarded(ask));

async function begin() {
  await offerModels();
  const { users } = await get("/v1/users", { limit: 20 });
  at("users").replaceChildren(...users.map((user) => make("option", { value: user })));
  if (users.length && !state.user) {
    at("user").value = users[0];
    await showUser(users[0]);
  } else {
    showHistory();
    await ask();
  }
}

guarded(begin);
