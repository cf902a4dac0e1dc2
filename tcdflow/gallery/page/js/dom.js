// Elements are made by code and text alone: nothing that comes from data is ever read as HTML.
const doc = document;
const byId = (id) => doc.getElementById(id);

/** Makes an element. `on…` are listeners; `style` goes through CSSOM, since the policy forbids style attributes. */
function h(tag, props, ...kids) {
  const node = doc.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'key') node.dataset.key = value;
    else if (name === 'style') styled(node, value);
    else if (typeof value !== 'string' && name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...kids.flat(4).filter(Boolean));
  return node;
}

function styled(node, values) {
  for (const [name, value] of Object.entries(values)) node.style.setProperty(name, value);
  return node;
}

/** Makes an SVG element; the namespace is that of the page's empty one. */
function s(tag, props, ...kids) {
  const node = doc.createElementNS(byId('ink').namespaceURI, tag);
  for (const [name, value] of Object.entries(props || {})) node.setAttribute(name, value);
  node.append(...kids.flat(4));
  return node;
}

/** Text of untrusted origin: characters that hide or reorder others are shown. */
function plain(text, limit = Infinity) {
  const shown = String(text).slice(0, limit + 1).replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff]/g,
    (one) => `‹U+${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}›`,
  );
  return shown.length > limit ? `${shown.slice(0, limit - 1)}…` : shown;
}

/** The same as an element that has its own direction. */
const label = (text, limit) => h('bdi', { dir: 'auto' }, plain(text, limit));
const soft = (...kids) => h('span', { class: 'soft' }, kids);

/** A number short enough for a label. */
function brief(number) {
  if (number === null || number === undefined) return '–';
  if (Number.isInteger(number)) return String(number);
  const size = Math.abs(number);
  return size >= 1e5 || size < 1e-3 ? number.toExponential(1) : String(Number(number.toPrecision(3)));
}

/** A button that says what it does. */
const act = (key, face, onclick, props) => h('button', { type: 'button', key, onclick, ...props }, face);

/** A button whose face is a sign; its title is read out. */
const sign = (key, face, title, onclick, props) => act(key, face, onclick, { title, 'aria-label': title, ...props });

/** A few exclusive choices side by side, as [value, text] pairs. */
const segments = (key, title, options, value, choose) => h('div', { class: 'segments', role: 'group', 'aria-label': title },
  options.map(([one, text]) => act(`${key}-${one}`, text, () => choose(one), { 'aria-pressed': `${one === value}` })));

/** A list to choose from, as [value, text] pairs. */
const select = (key, title, options, value, choose) => h('select', { 'aria-label': title, key, onchange: (event) => choose(event.target.value) },
  options.map(([one, text]) => h('option', { value: `${one}`, selected: `${one}` === `${value}` }, plain(text, 60))));

/** A control with its name before it. */
const lane = (title, ...kids) => h('label', { class: 'lane' }, soft(title), kids);

/** A button that opens a panel. */
const menu = (key, face, title, ...kids) => h('details', { class: 'menu', key },
  h('summary', { 'aria-label': title, title, key: `${key}-menu` }, face), h('div', { class: 'panel', role: 'group', 'aria-label': title }, kids));

function closeMenus(except) {
  for (const one of doc.querySelectorAll('details.menu[open]')) if (!except || !one.contains(except)) one.open = false;
}

/** Fills a part of the page again; open menus, the focus and what was scrolled stay. */
function refill(node, ...kids) {
  const keyed = (some) => [...some].map((one) => [one.dataset.key, one]);
  const focus = node.contains(doc.activeElement) && doc.activeElement.dataset.key;
  const open = new Set(keyed(node.querySelectorAll('details[open]')).map(([key]) => key));
  const tops = new Map(keyed(node.querySelectorAll('[data-key]')).map(([key, one]) => [key, one.scrollTop]));
  node.replaceChildren(...kids.flat(4).filter(Boolean));
  for (const [key, one] of keyed(node.querySelectorAll('[data-key]'))) {
    if (open.has(key)) one.open = true;
    if (tops.get(key)) one.scrollTop = tops.get(key);
    if (focus === key) one.focus();
  }
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
    const area = h('textarea');
    area.value = text;
    (doc.querySelector('dialog[open]') || doc.body).append(area);
    area.select();
    doc.execCommand('copy');
    area.remove();
  }
  say(`${what} copied`);
}
