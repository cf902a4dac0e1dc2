// The bar above the grid: which axis stands where, what the others are at, and how cells are drawn.

/** Moves an axis to the rows, the columns or the selectors. */
function place(n, where) {
  const sides = { rows: view.rows.filter((other) => other !== n), cols: view.cols.filter((other) => other !== n), pick: [] };
  sides[where].push(n);
  show({ rows: sides.rows.slice(-3), cols: sides.cols.slice(-3), layout: 'grid', sort: '' });
}

const swap = () => show({ rows: view.cols, cols: view.rows });

/** Sets which values of an axis are hidden. */
function hide(n, values) {
  const all = new Map(view.hide);
  if (values.size) all.set(n, values);
  else all.delete(n);
  show({ hide: all });
}

/** The menu of an axis: where it stands, and which of its values are shown. */
function axisMenu(axis, where) {
  const off = view.hide.get(axis.n) || new Set();
  const toggle = (at) => hide(axis.n, off.has(at) ? new Set([...off].filter((one) => one !== at)) : new Set([...off, at]));
  const face = [label(axis.label), off.size ? h('b', { class: 'count' }, `${axis.values.length - off.size}/${axis.values.length}`) : null];
  return menu(`axis-${axis.n}`, face, `${plain(axis.key)}: place and values`,
    h('div', { class: 'title' }, label(axis.key)),
    segments(`place-${axis.n}`, 'Place', [['rows', 'Rows'], ['cols', 'Columns'], ['pick', 'Selector']], where, (name) => place(axis.n, name)),
    h('div', { class: 'line' }, soft('Values'), h('span', {},
      act(`all-${axis.n}`, 'show all', () => hide(axis.n, new Set()), { class: 'link' }),
      act(`none-${axis.n}`, 'hide all', () => hide(axis.n, new Set(axis.values.keys())), { class: 'link' }))),
    h('div', { class: 'values', key: `values-${axis.n}` }, axis.values.map((value, at) => h('label', {}, h('input', {
      type: 'checkbox', checked: !off.has(at), key: `value-${axis.n}-${at}`, onchange: () => toggle(at) }), label(value.text, 120)))));
}

/** A selector, with buttons to step through it. */
function selector(axis) {
  const options = axis.values.map((value, n) => [n, value.text]).filter(([n]) => !view.hide.get(axis.n)?.has(n));
  return h('span', { class: 'chip' }, axisMenu(axis, 'pick'),
    sign(`back-${axis.n}`, '‹', `${plain(axis.key)}: one back`, () => stepPick(axis, -1)),
    select(`pick-${axis.n}`, plain(axis.key), view.layout === 'wall' ? [['', 'all'], ...options] : options, picked(axis) ?? '',
      (value) => pick(axis, value === '' ? null : +value)),
    sign(`on-${axis.n}`, '›', `${plain(axis.key)}: one on`, () => stepPick(axis, 1)));
}

function pick(axis, at) {
  const all = new Map(view.pick);
  if (at === null) all.delete(axis.n);
  else all.set(axis.n, at);
  show({ pick: all });
}

function stepPick(axis, step) {
  const values = [...axis.values.keys()].filter((n) => !view.hide.get(axis.n)?.has(n));
  const now = values.indexOf(picked(axis));
  const next = values.at(now < 0 && step > 0 ? 0 : (now + step) % values.length);
  if (next !== undefined) pick(axis, next);
}

function drawToolbar() {
  const side = (title, key, some) => h('span', { class: 'lane' }, soft(title), some.length ? some.map((n) => h('span', { class: 'chip' }, axisMenu(axes[n], key))) : soft('–'));
  const names = metrics.map((metric) => metric.name).filter((name) => name === STARS.name || extent(cells, name));
  const sorts = names.flatMap((name) => [[`-${name}`, `${name} ↓`], [name, `${name} ↑`]]);
  refill(byId('bar'),
    wide.length > 1 && segments('layout', 'Layout', [['grid', 'Grid'], ['wall', 'Wall']], view.layout,
      (layout) => show({ layout, sort: layout === 'grid' ? '' : view.sort })),
    view.layout === 'grid' && [side('Rows', 'rows', view.rows), sign('swap', '⇄', 'Swap rows and columns (key s)', swap), side('Columns', 'cols', view.cols)],
    selectors().map(selector),
    cells.length > 1 && h('span', { class: 'group' },
      lane('Colour', select('colour', 'Colour by score', [['', 'none'], ...names.map((name) => [name, name])], view.colour, (colour) => show({ colour }))),
      lane('Sort', select('sort', 'Sort by score', [['', 'as planned'], ...sorts], view.sort,
        (sort) => show(sort ? { sort, layout: 'wall', colour: sort.replace(/^-/, '') } : { sort }))),
      filterMenu(),
      lane('Size', h('input', { type: 'range', min: SIZES[0], max: SIZES[1], step: 8, key: 'size', 'aria-label': 'Size of cells', value: view.size,
        oninput: (event) => show({ size: +event.target.value }) }))));
}
