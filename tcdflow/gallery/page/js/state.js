// What is looked at. All of it is in the fragment, so that each view is a link.
const SIZES = [64, 480];
const MODES = ['one', 'side', 'slider', 'difference'];
const TABS = ['grid', 'plots', 'blind'];

/** Prompts in rows and numbers in columns; seeds and what is left are chosen by selectors. */
function defaults() {
  const rank = (axis) => (axis.key === 'image' ? 3 : axis.key.endsWith('seed') ? 2 : 0);
  const order = [...wide].sort((a, b) => rank(a) - rank(b));
  const rows = order.filter((axis) => !axis.numeric && !rank(axis)).slice(0, 1);
  const cols = order.filter((axis) => !rows.includes(axis)).slice(0, 1);
  for (const axis of order) {
    const count = cols.reduce((all, one) => all * one.values.length, 1);
    if (cols.length === 1 && !rows.includes(axis) && !cols.includes(axis) && count * axis.values.length <= 8) {
      cols.push(axis);
    }
  }
  if (!rows.length) rows.push(...order.filter((axis) => !cols.includes(axis)).slice(0, 1));
  const places = wide.reduce((all, axis) => all * axis.values.length, 1);
  const sparse = cells.length < places / 4 || wide.length === 0 || (wide.length === 1 && wide[0].values.length > 12);
  return {
    tab: 'grid', layout: sparse ? 'wall' : 'grid', rows: rows.map((axis) => axis.n), cols: cols.map((axis) => axis.n),
    pick: new Map(), hide: new Map(), size: cells.length === 1 ? 360 : 160, colour: '', sort: '', where: new Map(),
    find: '', favourites: false, status: '', cell: '', with: [], mode: 'one', split: 50, gain: 4, walk: null, rise: null,
    by: null, means: null, blind: null,
  };
}

const NAMES = new Map(axes.map((axis) => [axis.key, axis.n]));
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const number = (low, high) => ({
  read: (text) => (text !== '' && Number.isFinite(Number(text)) ? clamp(Number(text), low, high) : undefined),
  write: (value) => String(value),
});
const word = (known) => ({
  read: (text) => (known(decodeURIComponent(text)) ? decodeURIComponent(text) : undefined),
  write: (value) => encodeURIComponent(value),
});
const axis = {
  read: (text) => NAMES.get(decodeURIComponent(text)),
  write: (n) => encodeURIComponent(axes[n].key),
};
const list = (one) => ({
  read: (text) => text.split(',').filter(Boolean).map(one.read).filter((found) => found !== undefined),
  write: (values) => values.map(one.write).join(','),
});
/** Pairs with a colon between them, as a Map. */
const pairs = (key, value) => ({
  read: (text) => new Map(text.split(',').map((pair) => pair.split(':')).filter((pair) => pair.length === 2)
    .map(([a, b]) => [key.read(a), value.read(b)]).filter(([a, b]) => a !== undefined && b !== undefined)),
  write: (map) => [...map].filter(([, b]) => !(b instanceof Set) || b.size)
    .map(([a, b]) => `${key.write(a)}:${value.write(b)}`).join(','),
});
const index = { read: (text) => (/^\d+$/.test(text) ? Number(text) : undefined), write: String };
const numbers = {
  read: (text) => new Set(text.split('.').map(Number).filter(Number.isInteger)),
  write: (set) => [...set].sort((a, b) => a - b).join('.'),
};
const range = {
  read: (text) => {
    const [low, high] = text.split('~').map((end) => (end === '' ? null : Number(end)));
    return high === undefined || Number.isNaN(low) || Number.isNaN(high) ? undefined : [low, high];
  },
  write: (ends) => ends.map((end) => (end === null ? '' : String(end))).join('~'),
};
const one = (known) => word((text) => known.includes(text));
const score_ = word((name) => Boolean(metricOf(name)));
const cell_ = word((id) => cellOf.has(id));
const FIELDS = {
  tab: one(TABS), layout: one(['grid', 'wall']), rows: list(axis), cols: list(axis), pick: pairs(axis, index),
  hide: pairs(axis, numbers), size: number(...SIZES), colour: score_, where: pairs(score_, range),
  sort: word((text) => text === '' || Boolean(metricOf(text.replace(/^-/, '')))), find: word(() => true),
  favourites: { read: (text) => text === 'yes', write: (value) => (value ? 'yes' : 'no') },
  status: one(['', 'done', 'failed', 'running', 'missing']), cell: cell_, with: list(cell_), mode: one(MODES),
  split: number(0, 100), gain: number(1, 64), walk: axis, rise: axis, by: axis, means: axis, blind: axis,
};

function write(state) {
  const standard = defaults();
  const same = (name, a, b) => a === b || (a !== null && b !== null && FIELDS[name].write(a) === FIELDS[name].write(b));
  return Object.keys(FIELDS).filter((name) => !same(name, state[name], standard[name]))
    .map((name) => `${name}=${state[name] === null ? '' : FIELDS[name].write(state[name])}`).join('&');
}

/** Reads a fragment; what it cannot mean here is left at its default. */
function read(fragment) {
  const state = defaults();
  for (const part of fragment.replace(/^#/, '').split('&')) {
    const at = part.indexOf('=');
    const name = part.slice(0, at);
    if (at < 0 || !Object.hasOwn(FIELDS, name)) continue;
    let value;
    try { value = FIELDS[name].read(part.slice(at + 1)); } catch { continue; }
    if (value !== undefined) state[name] = value;
  }
  state.rows = [...new Set(state.rows)].slice(0, 3);
  state.cols = [...new Set(state.cols)].filter((n) => !state.rows.includes(n)).slice(0, 3);
  state.with = [...new Set(state.with)].slice(0, 3);
  for (const [n, at] of state.pick) if (at >= axes[n].values.length) state.pick.delete(n);
  return state;
}

let view = read(location.hash);

/** Changes what is looked at; `push` adds a step to the browser's history. */
function show(changes, push = false) {
  Object.assign(view, changes);
  const url = `#${write(view)}`;
  if (push) history.pushState({ opened: true }, '', url);
  else history.replaceState(history.state, '', url);
  draw();
}
