// Elements are made by code and text alone: nothing that comes from data is ever read as HTML.
const doc = document;
const byId = (id) => doc.getElementById(id);

/** Makes an element. `on…` are listeners, `style` goes through CSSOM (the policy forbids style attributes). */
function h(tag, props, ...kids) {
  const node = doc.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'style') styled(node, value);
    else if (typeof value === 'string') node.setAttribute(name, value);
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...kids.flat(3).filter((kid) => kid !== null && kid !== undefined && kid !== false));
  return node;
}

function styled(node, values) {
  for (const [name, value] of Object.entries(values)) node.style.setProperty(name, value);
  return node;
}

/** Makes an SVG element; the namespace is that of the page's empty one. */
function s(tag, props, ...kids) {
  const node = doc.createElementNS(byId('ink').namespaceURI, tag);
  for (const [name, value] of Object.entries(props || {})) node.setAttribute(name, String(value));
  node.append(...kids.flat(3));
  return node;
}

/** A button; its label is read out, and shown as a tooltip, where its face is a sign. */
function button(face, label, onclick, props) {
  return h('button', { type: 'button', 'aria-label': label, title: label, onclick, ...props }, face);
}

/** Text of untrusted origin: it has its own direction, and characters that hide or reorder others are shown. */
function plain(text, limit = Infinity) {
  const shown = String(text).replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff]/g,
    (one) => `‹U+${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}›`,
  );
  return shown.length > limit ? `${shown.slice(0, limit - 1)}…` : shown;
}
const label = (text, limit) => h('bdi', { dir: 'auto' }, plain(text, limit));

/** A number short enough for a label. */
function brief(number) {
  if (number === null || number === undefined) return '–';
  if (Number.isInteger(number)) return String(number);
  const size = Math.abs(number);
  return size >= 1e5 || size < 1e-3 ? number.toExponential(1) : String(Number(number.toPrecision(3)));
}

/** Fills a part of the page again; the open menu, the focus and what was scrolled stay. */
function refill(node, ...kids) {
  const focus = node.contains(doc.activeElement) ? doc.activeElement.dataset.key : undefined;
  const open = new Set([...node.querySelectorAll('details[open]')].map((one) => one.dataset.key));
  const tops = new Map([...node.querySelectorAll('[data-scroll]')].map((one) => [one.dataset.scroll, one.scrollTop]));
  node.replaceChildren(...kids.flat(3).filter(Boolean));
  for (const one of node.querySelectorAll('details')) if (open.has(one.dataset.key)) one.open = true;
  for (const one of node.querySelectorAll('[data-scroll]')) one.scrollTop = tops.get(one.dataset.scroll) || 0;
  if (focus) [...node.querySelectorAll('[data-key]')].find((one) => one.dataset.key === focus)?.focus();
}

/** A button that opens a panel. */
function menu(key, face, title, props, ...kids) {
  return h('details', { class: 'menu', 'data-key': key, ...props },
    h('summary', { 'aria-label': title, title, 'data-key': `${key}-menu` }, face),
    h('div', { class: 'panel', role: 'group', 'aria-label': title }, kids));
}

function closeMenus(except) {
  for (const one of doc.querySelectorAll('details.menu[open]')) if (!except || !one.contains(except)) one.open = false;
}

/** A list to choose from: [value, text] pairs. */
function select(key, title, options, value, choose) {
  return h('select', { 'aria-label': title, title, 'data-key': key, onchange: (event) => choose(event.target.value) },
    options.map(([name, text]) => h('option', { value: String(name), selected: String(name) === String(value) },
      plain(text, 60))));
}

let toastTimer = 0;
/** Says something for a moment. */
function say(text) {
  const node = byId('toast');
  (doc.querySelector('dialog[open]') || doc.body).append(node);
  node.textContent = text;
  node.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { node.hidden = true; }, 2500);
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h('textarea', { 'aria-hidden': 'true' });
    area.value = text;
    (doc.querySelector('dialog[open]') || doc.body).append(area);
    area.select();
    doc.execCommand('copy');
    area.remove();
  }
  say(`${what} copied`);
}
