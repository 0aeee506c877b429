// Calls of the service. A token is kept for as long as the tab is open.

const KEY = "genrec-token";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const setToken = (token) => sessionStorage.setItem(KEY, token);

async function call(path, options = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Refused(0, "The service does not answer.");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => null);
  const { problems = [answer.statusText], remedy = "" } = body?.error ?? {};
  throw new Refused(answer.status, [...problems, remedy].filter(Boolean).join(" "));
}

export const get = async (path, query = {}) => (await call(`${path}?${new URLSearchParams(query)}`)).json();

export const post = async (path, body) => {
  const headers = { "Content-Type": "application/json" };
  return (await call(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
};

const pictures = new Map();

// An <img> cannot send a token, so pictures are fetched like everything else.
export function picture(itemId) {
  if (!pictures.has(itemId)) {
    const path = `/v1/images/${encodeURIComponent(itemId)}`;
    pictures.set(itemId, call(path).then((answer) => answer.blob()).then((blob) => URL.createObjectURL(blob)));
  }
  return pictures.get(itemId);
}
