// What pages do beyond being read. Each part begins anew for every page that is shown, since
// a link within the site changes the page in place: so the token of the form that tries a
// request lives in this tab's memory, and nowhere else.
const memory = { token: "", values: {}, language: remembered("language") };
const searchIndexPath = document.currentScript.dataset.search;
const prefix = document.documentElement.dataset.prefix ?? ""; // what a proxy puts before every path

function remembered(name) {
  try { return localStorage.getItem(name) ?? ""; } catch { return ""; }
}
function remember(name, value) {
  try { localStorage.setItem(name, value); } catch { /* storage may be forbidden */ }
}
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);
function say(text) { one("#said").textContent = text; }

// ---- The theme
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
function showTheme() {
  const dark = isDark();
  document.documentElement.dataset.shown = dark ? "dark" : "light";
  one(".theme").setAttribute("aria-pressed", String(dark));
}
function beginTheme() {
  const button = one(".theme");
  button.hidden = false;
  button.onclick = () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    remember("theme", document.documentElement.dataset.theme);
    showTheme();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  showTheme();
}

// ---- Copying
async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Over plain HTTP a browser has no clipboard for pages; the old way still works.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    (button.closest("dialog") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const before = button.dataset.label ??= button.textContent;
  button.textContent = "Copied";
  say("Copied");
  setTimeout(() => { button.textContent = before; }, 1500);
}
function beginCopying() {
  for (const button of all(".copy")) {
    button.hidden = false;
    button.onclick = () => {
      const box = button.closest(".code, .panel, .call");
      const code = all("pre code", box).find((c) => c.offsetParent) ?? one("code", box);
      const text = code.textContent;
      // Of a terminal, what was typed.
      copy(box.dataset.language === "console" ? text.match(/^\$ .*$/gm)?.map((l) => l.slice(2)).join("\n") ?? text : text, button);
    };
  }
  for (const button of all(".copy-page")) {
    button.hidden = false;
    button.onclick = async () => copy(await (await fetch(button.dataset.from)).text(), button);
  }
}

// ---- On this page: the part that is being read
let reading;
function beginContents() {
  reading?.disconnect();
  const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  if (!links.size) return;
  const headings = all("article h2[id], article h3[id]").filter((h) => links.has(h.id));
  const mark = () => {
    const above = headings.filter((h) => h.getBoundingClientRect().top < 140).at(-1) ?? headings[0];
    for (const [id, link] of links) {
      if (id === above?.id) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    }
  };
  reading = new IntersectionObserver(mark, { rootMargin: "-130px 0px -60% 0px" });
  headings.forEach((h) => reading.observe(h));
  mark();
}

// ---- The language of the examples, the same on every page
function beginLanguages() {
  for (const radio of all('input[name="language"]')) {
    if (radio.value === memory.language) radio.checked = true;
    radio.onchange = () => {
      memory.language = radio.value;
      remember("language", radio.value);
    };
  }
}

// ---- Search
const search = { dialog: one("#search"), field: one("#search-field"), list: one("#search-found"), none: one(".search-none"), index: null, chosen: 0 };

async function openSearch() {
  if (search.dialog.open) return;
  one("#nav").hidePopover?.();
  search.dialog.showModal();
  search.field.select();
  search.index ??= await (await fetch(searchIndexPath)).json();
  findNow();
}

function score(words, page, part) {
  const title = page.title.toLowerCase(), heading = (part.title ?? "").toLowerCase(), text = part.text.toLowerCase();
  const path = page.path.toLowerCase();
  let sum = 0;
  for (const word of words) {
    let best = 0;
    const start = new RegExp(`(^|[^\\p{L}\\p{N}])${word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`, "u");
    if (start.test(title)) best = part.title ? 6 : 12;
    else if (title.includes(word)) best = 4;
    if (heading && start.test(heading)) best = Math.max(best, heading === word ? 14 : 9);
    else if (heading.includes(word)) best = Math.max(best, 5);
    if (start.test(text)) best += 2;
    else if (text.includes(word) || path.includes(word)) best += 1;
    if (!best) return 0;
    sum += best;
  }
  return sum;
}

function find(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const found = [];
  search.index.parts.forEach((part, order) => {
    const page = search.index.pages[part.page], points = score(words, page, part);
    if (points) found.push({ page, part, points, order });
  });
  found.sort((a, b) => b.points - a.points || a.order - b.order);
  const perPage = new Map(), best = [];
  for (const hit of found) {
    const n = perPage.get(hit.page) ?? 0;
    if (n < 3) best.push({ ...hit, words });
    perPage.set(hit.page, n + 1);
    if (best.length === 20) break;
  }
  return best;
}

// marked puts text into an element with the words that were looked for marked.
function marked(element, text, words) {
  const pattern = new RegExp(`(${words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "gi");
  for (const [i, piece] of text.split(pattern).entries()) {
    if (!piece) continue;
    if (i % 2) {
      const mark = document.createElement("mark");
      mark.textContent = piece;
      element.append(mark);
    } else element.append(piece);
  }
}

function excerpt(text, words) {
  const at = Math.max(0, Math.min(...words.map((w) => text.toLowerCase().indexOf(w)).filter((i) => i >= 0), text.length) - 40);
  const from = at > 0 ? text.indexOf(" ", at) + 1 : 0;
  return (from > 0 ? "… " : "") + text.slice(from, from + 130) + (text.length > from + 130 ? " …" : "");
}

function findNow() {
  if (!search.index) return;
  const query = search.field.value.trim(), hits = find(query);
  search.list.replaceChildren(...hits.map((hit, i) => {
    const item = document.createElement("li"), title = document.createElement("b"), about = document.createElement("small");
    item.id = `search-${i}`;
    item.setAttribute("role", "option");
    item.dataset.path = hit.page.path + (hit.part.id ? `#${hit.part.id}` : "");
    if (hit.page.method) {
      const badge = document.createElement("span");
      badge.className = `method ${hit.page.method.toLowerCase()}`;
      badge.textContent = hit.page.method;
      title.append(badge);
    }
    const name = document.createElement("span");
    marked(name, hit.part.title ? `${hit.page.title} › ${hit.part.title}` : hit.page.title, hit.words);
    title.append(name);
    about.append(`${hit.page.section} — `);
    marked(about, excerpt(hit.part.text, hit.words), hit.words);
    item.append(title, about);
    item.onclick = () => choose(i, true);
    item.onmousemove = () => search.chosen !== i && choose(i);
    return item;
  }));
  search.none.textContent = query && !hits.length ? "Nothing was found. Try another word, or fewer of them." : "";
  search.field.setAttribute("aria-expanded", String(hits.length > 0));
  choose(0);
}

function choose(i, go) {
  const items = [...search.list.children];
  if (!items.length) {
    search.field.removeAttribute("aria-activedescendant");
    return;
  }
  search.chosen = (i + items.length) % items.length;
  items.forEach((item, n) => item.setAttribute("aria-selected", String(n === search.chosen)));
  const item = items[search.chosen];
  search.field.setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
  if (go) {
    search.dialog.close();
    visit(item.dataset.path);
  }
}

function beginSearch() {
  const button = one(".find");
  button.hidden = false;
  button.onclick = openSearch;
  search.field.oninput = findNow;
  search.field.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) choose(search.chosen + step);
    else if (event.key === "Enter") choose(search.chosen, true);
    else if (event.key === "Escape") search.dialog.close(); // at once, rather than first emptying the field
    else return;
    event.preventDefault();
  };
  search.dialog.onclick = (event) => { if (event.target === search.dialog) search.dialog.close(); };
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    const open = event.key === "/" && !typing || event.key === "k" && (event.metaKey || event.ctrlKey);
    if (open && !event.altKey && !one("dialog[open]")) {
      event.preventDefault();
      openSearch();
    }
  });
}

// ---- Was this page helpful?
function beginHelpful() {
  const form = one(".helpful");
  if (!form) return;
  const send = (fields) => fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(fields) });
  form.onsubmit = async (event) => {
    event.preventDefault();
    const answer = event.submitter?.value ?? "yes", page = form.page.value;
    const text = one("p", form), buttons = one("div", form);
    const reply = await send({ page, answer }).catch(() => null);
    if (!reply?.ok) {
      text.textContent = reply?.status === 429 ? "There were many answers just now. Please try again later." : "Your answer could not be kept. Please try again later.";
      say(text.textContent);
      return;
    }
    const { id } = await reply.json();
    text.textContent = "Thank you.";
    buttons.remove();
    say("Thank you. You may add a comment.");
    const comment = document.createElement("div");
    comment.className = "comment";
    const label = document.createElement("label"), area = document.createElement("textarea"), button = document.createElement("button");
    label.htmlFor = area.id = "comment";
    label.textContent = (answer === "yes" ? "What helped, or what is missing?" : "What should be said better?") + " Leave out names, addresses and keys.";
    area.maxLength = 1000;
    area.rows = 3;
    button.type = "button";
    button.textContent = "Send";
    button.onclick = async () => {
      if (!area.value.trim()) return area.focus();
      const second = await send({ page, id, comment: area.value }).catch(() => null);
      if (second?.ok) {
        comment.remove();
        text.textContent = "Thank you. Your comment is kept.";
      } else text.textContent = second?.status === 422 ? "The comment must be at most 1000 characters and must not hold an API key." : "Your comment could not be kept. Please try again later.";
      say(text.textContent);
    };
    comment.append(label, area, button);
    form.append(comment);
    area.focus();
  };
}

// ---- Try it
// What an answer brought is offered where a later call asks for it: the id of a key, say.
function takeNote(answer) {
  const data = answer?.data;
  const key = data?.new_key ?? data;
  if (key?.id && key?.key_prefix) memory.values.key_id = key.id;
  if (data?.id && data?.slug) memory.values.workspace_id = data.id;
}

function beginTry() {
  const dialog = one("#try"), open = one(".try-open");
  if (!dialog) return;
  const form = one("form", dialog), token = one("#try-token", dialog), sure = one(".try-sure", dialog), body = one("#try-json", dialog);
  open.hidden = false;
  open.onclick = () => {
    if (token) token.value = memory.token;
    for (const input of all("[data-name]", form)) if (!input.value) input.value = memory.values[input.dataset.name] ?? "";
    dialog.showModal();
  };
  one(".try-close", dialog).onclick = () => dialog.close();
  form.onsubmit = (event) => {
    event.preventDefault();
    if (token) memory.token = token.value.trim();
    if (!dialog.dataset.warning) return send();
    one("p", sure).textContent = `${dialog.dataset.warning} Really send it?`;
    sure.hidden = false;
    one(".try-yes", sure).focus();
  };
  one(".try-yes", sure).onclick = () => { sure.hidden = true; send(); };
  one(".try-no", sure).onclick = () => { sure.hidden = true; one(".send", form).focus(); };

  async function send() {
    const headers = {}, query = new URLSearchParams();
    let path = dialog.dataset.path;
    for (const input of all("[data-name]", form)) {
      const { in: place, name } = input.dataset, value = input.value.trim();
      if (!value) continue;
      if (place === "path") { path = path.replace(`{${name}}`, encodeURIComponent(value)); memory.values[name] = value; }
      else if (place === "query") query.set(name, value);
      else headers[name] = value;
    }
    if (token) headers.Authorization = `Bearer ${memory.token}`;
    if (body?.value.trim()) headers["Content-Type"] = "application/json";
    const button = one(".send", form);
    button.disabled = true;
    const began = performance.now();
    try {
      const answer = await fetch(prefix + path + (query.size ? `?${query}` : ""), {
        method: dialog.dataset.method, headers, body: body?.value.trim() || undefined, cache: "no-store", credentials: "omit", redirect: "error",
      });
      const text = await answer.text(), took = performance.now() - began;
      show(answer, text, took);
    } catch {
      showStatus("failed", "No answer", "The request could not be sent, or the server did not answer.");
    } finally {
      button.disabled = false;
    }
  }

  function showStatus(kind, status, rest) {
    const line = one(".try-status", dialog), badge = document.createElement("b");
    line.classList.toggle("failed", kind === "failed");
    badge.textContent = status;
    line.replaceChildren(badge, rest);
    line.scrollIntoView({ block: "nearest" }); // on a phone it is below the form
  }

  function show(answer, text, took) {
    showStatus(answer.ok ? "ok" : "failed", `${answer.status} ${answer.statusText}`.trim(), `${Math.round(took)} ms`);
    const headers = one(".try-headers", dialog), result = one(".try-result", dialog);
    one("code", headers).textContent = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    headers.hidden = false;
    let shown = text;
    try {
      const parsed = JSON.parse(text);
      shown = JSON.stringify(parsed, null, 2);
      if (answer.ok) takeNote(parsed);
    } catch { /* not JSON: shown as it came */ }
    one("code", result).replaceChildren(...coloured(shown));
    result.hidden = !text;
  }
}

// coloured is JSON with the classes that code has on pages.
function coloured(json) {
  const pieces = [];
  let at = 0;
  for (const found of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b/g)) {
    pieces.push(json.slice(at, found.index));
    const span = document.createElement("span");
    span.className = found[1] ? (found[2] ? "a" : "s") : found[3] ? "k" : "n";
    span.textContent = found[1] ?? found[0];
    pieces.push(span);
    if (found[2]) pieces.push(found[2]);
    at = found.index + found[0].length;
  }
  pieces.push(json.slice(at));
  return pieces;
}

// ---- Going to another page without leaving this one
const samePage = (url) => url.origin === location.origin && url.pathname === location.pathname;
const ours = (url) => url.origin === location.origin && url.pathname.startsWith(`${prefix}/docs`) && !/\.|\/assets\/|\/feedback$/.test(url.pathname);
let visiting = 0;

async function visit(address, { back = false } = {}) {
  const url = new URL(address, location.href);
  if (samePage(url) && !back) {
    location.hash = url.hash;
    return;
  }
  const mine = ++visiting;
  let fetched, next;
  try {
    fetched = await fetch(url, { headers: { Accept: "text/html" } });
    if (!fetched.headers.get("Content-Type")?.startsWith("text/html")) throw new Error("not a page");
    next = new DOMParser().parseFromString(await fetched.text(), "text/html");
    if (!one("#main", next)) throw new Error("not a page of this site");
    // Another version of the server has other files.
    if (one("script[data-search]", next).src !== one("script[data-search]").src) throw new Error("a newer site");
  } catch {
    location.assign(url);
    return;
  }
  if (mine !== visiting) return;
  if (!back) {
    history.replaceState({ scroll: scrollY }, "");
    history.pushState({}, "", new URL(url.hash, fetched.url));
  }
  document.title = next.title;
  for (const selector of ['link[rel="canonical"]', 'meta[name="description"]']) {
    const element = one(selector), other = one(selector, next);
    if (element && other) element.replaceWith(other);
  }
  const nav = one("#nav"), scrolled = nav.scrollTop, opened = new Set(all("details[open] > summary", nav).map((s) => s.textContent));
  nav.hidePopover?.();
  nav.innerHTML = one("#nav", next).innerHTML;
  for (const summary of all("details > summary", nav)) if (opened.has(summary.textContent)) summary.parentElement.open = true;
  nav.scrollTop = scrolled;
  one("#main").replaceWith(one("#main", next));
  begin();
  const target = url.hash && document.getElementById(decodeURIComponent(url.hash.slice(1)));
  const jump = { behavior: "instant" };
  if (target) target.scrollIntoView(jump);
  else scrollTo({ top: back ? history.state?.scroll ?? 0 : 0, ...jump });
  if (!target) one("h1")?.focus({ preventScroll: true });
}

function beginVisiting() {
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target) return;
    const url = new URL(link.href);
    if (!ours(url) || samePage(url) && url.hash) return;
    event.preventDefault();
    visit(url);
  });
  addEventListener("popstate", () => { if (location.pathname !== shown) visit(location.href, { back: true }); });
}

// The sidebar shows the page that is open, wherever in it that is.
function showCurrent() {
  const nav = one("#nav"), link = one("a[aria-current=page]", nav);
  if (!link) return;
  const top = link.getBoundingClientRect().top - nav.getBoundingClientRect().top;
  if (top < 0 || top > nav.clientHeight - 40) nav.scrollTop += top - nav.clientHeight / 3;
}

let shown = location.pathname;
function begin() {
  shown = location.pathname;
  showCurrent();
  beginCopying();
  beginContents();
  beginLanguages();
  beginHelpful();
  beginTry();
}

beginTheme();
beginSearch();
beginVisiting();
begin();
