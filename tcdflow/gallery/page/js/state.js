// What is looked at. All of it is in the fragment, so that each view is a link.
const SIZES = [64, 480];
const MODES = ['one', 'side', 'slider', 'difference'];
const TABS = ['grid', 'plots', 'blind'];
const ORDER = -1; // stands for an axis: the order of the wall
const NO_FILTER = { where: new Map(), find: '', favourites: false, status: '' };
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Prompts in rows and numbers in columns, one of two axes in either; seeds and what is left are chosen by selectors. */
function defaults() {
  const rank = (axis) => (axis.key === 'image' ? 2 : axis.key.endsWith('seed') ? 1 : 0);
  const order = [...wide].sort((a, b) => rank(a) - rank(b));
  const rows = order.filter((axis) => !axis.numeric && !rank(axis)).slice(0, 1);
  const cols = [];
  for (const axis of order.filter((one) => !rows.includes(one))) {
    const count = cols.reduce((all, one) => all * one.values.length, axis.values.length);
    if (!cols.length || (cols.length === 1 && order.length > 2 && count <= 8)) cols.push(axis);
  }
  if (!rows.length) rows.push(...order.filter((axis) => !cols.includes(axis)).slice(0, 1));
  const places = wide.reduce((all, axis) => all * axis.values.length, 1);
  const sparse = cells.length < places / 4 || (wide.length < 2 && places > 12) || !wide.length;
  return {
    tab: 'grid', layout: sparse ? 'wall' : 'grid', rows: rows.map((axis) => axis.n), cols: cols.map((axis) => axis.n),
    pick: new Map(), hide: new Map(), size: 160, colour: '', sort: '', ...NO_FILTER, cell: cells.length === 1 ? cells[0].id : '',
    with: [], mode: 'one', split: 50, gain: 4, walk: null, rise: null, by: wide.find((axis) => !axis.numeric && axis.values.length <= 8)?.n ?? null, means: null, blind: null,
  };
}

/** How each part of a view is written in the fragment, and read: undefined for what it cannot mean here. */
const FIELDS = (() => {
  const named = new Map([...axes.map((axis) => [axis.key, axis.n]), ['', null]]);
  const number = (low, high) => ({
    read: (text) => (text !== '' && Number.isFinite(+text) ? clamp(+text, low, high) : undefined), write: String,
  });
  const word = (known) => ({
    read: (text) => [decodeURIComponent(text)].find(known), write: encodeURIComponent,
  });
  const oneOf = (...words) => word((text) => words.includes(text));
  const axis = { read: (text) => named.get(decodeURIComponent(text)), write: (n) => encodeURIComponent(axes[n]?.key ?? '') };
  const order = { read: (text) => (text === '*' ? ORDER : axis.read(text)), write: (n) => (n === ORDER ? '*' : axis.write(n)) };
  const list = (item) => ({
    read: (text) => {
      const found = [...new Set(text.split(',').filter(Boolean).map(item.read))].filter((one) => one !== undefined).slice(0, 3);
      return found.length || !text ? found : undefined;
    },
    write: (values) => values.map(item.write).join(','),
  });
  const map = (key, value) => ({
    read: (text) => new Map(text.split(',').map((pair) => pair.split(':')).filter((pair) => pair.length === 2)
      .map(([a, b]) => [key.read(a), value.read(b)]).filter(([a, b]) => a !== undefined && b !== undefined)),
    write: (pairs) => [...pairs].map(([a, b]) => `${key.write(a)}:${value.write(b)}`).join(','),
  });
  const index = { read: (text) => (/^\d+$/.test(text) ? +text : undefined), write: String };
  const indices = { read: (text) => new Set(text.split('.').map(index.read).filter((n) => n !== undefined)), write: (set) => [...set].sort((a, b) => a - b).join('.') };
  const range = {
    read: (text) => {
      const ends = text.split('~').map((end) => (end === '' ? null : +end));
      return ends.length !== 2 || ends.some(Number.isNaN) ? undefined : ends;
    },
    write: (ends) => ends.map((end) => end ?? '').join('~'),
  };
  const metric = word((name) => Boolean(metricOf(name)));
  const cell = word((id) => cellOf.has(id));
  return {
    tab: oneOf(...TABS), layout: oneOf('grid', 'wall'), rows: list(axis), cols: list(axis), pick: map(axis, index), hide: map(axis, indices),
    size: number(...SIZES), colour: metric, sort: word((text) => Boolean(metricOf(text.replace(/^-/, '')))), where: map(metric, range),
    find: word(() => true), favourites: { read: (text) => text === 'yes', write: (on) => (on ? 'yes' : 'no') },
    status: oneOf('done', 'failed', 'running', 'missing'), cell: word((id) => !id || cellOf.has(id)), with: list(cell), mode: oneOf(...MODES),
    split: number(0, 100), gain: number(1, 64), walk: order, rise: order, by: axis, means: axis, blind: axis,
  };
})();

function write(state) {
  const standard = defaults();
  return Object.entries(FIELDS).map(([name, field]) => [name, field.write(state[name]), field.write(standard[name])])
    .filter(([, now, before]) => now !== before).map(([name, now]) => `${name}=${now}`).join('&');
}

/** Reads a fragment; what it cannot mean here is left at its default. */
function read(fragment) {
  const state = defaults();
  for (const part of fragment.replace(/^#/, '').split('&')) {
    const [name, ...rest] = part.split('=');
    if (!rest.length || !Object.hasOwn(FIELDS, name)) continue;
    let value;
    try { value = FIELDS[name].read(rest.join('=')); } catch { /* not an encoded text */ }
    if (value !== undefined) state[name] = value;
  }
  state.rows = state.rows.filter((n) => n !== null);
  state.cols = state.cols.filter((n) => n !== null && !state.rows.includes(n));
  for (const [n, at] of state.pick) if (!axes[n] || at >= axes[n].values.length) state.pick.delete(n);
  return state;
}

let view = read(location.hash);

/** Changes what is looked at; `push` adds a step to the browser's history. */
function show(changes, push = false) {
  Object.assign(view, changes);
  try {
    history[push ? 'pushState' : 'replaceState'](null, '', `#${write(view)}`);
  } catch { /* a browser that allows few changes in a short time, as while a slider is dragged */ }
  draw();
}
