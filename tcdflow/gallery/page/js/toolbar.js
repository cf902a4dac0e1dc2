// The bar above the grid: which axis stands where, what the others are at, and how cells are drawn.

/** Moves an axis to the rows, the columns or the selectors. */
function place(n, where) {
  const rows = view.rows.filter((other) => other !== n);
  const cols = view.cols.filter((other) => other !== n);
  if (where === 'rows') rows.push(n);
  if (where === 'cols') cols.push(n);
  show({ rows: rows.slice(-3), cols: cols.slice(-3), layout: 'grid' });
}

const swap = () => show({ rows: view.cols, cols: view.rows });

function hideValue(n, at, off) {
  const hide = new Map(view.hide);
  const values = new Set(hide.get(n));
  if (off) values.add(at);
  else values.delete(at);
  if (values.size) hide.set(n, values);
  else hide.delete(n);
  show({ hide });
}

/** The menu of an axis: where it stands, and which of its values are shown. */
function axisMenu(axis, where) {
  const off = view.hide.get(axis.n);
  const all = (hideAll) => {
    const hide = new Map(view.hide);
    if (hideAll) hide.set(axis.n, new Set(axis.values.keys()));
    else hide.delete(axis.n);
    show({ hide });
  };
  const places = [['rows', 'Rows'], ['cols', 'Columns'], ['pick', 'Selector']];
  return menu(`axis-${axis.n}`, [label(axis.label), off ? h('b', { class: 'count' }, `${axis.values.length - off.size}/${axis.values.length}`) : null],
    `${plain(axis.key)}: place and values`, {},
    h('div', { class: 'title' }, label(axis.key)),
    h('div', { class: 'segments', role: 'group', 'aria-label': 'Place' }, places.map(([name, text]) => h('button', {
      type: 'button', 'aria-pressed': String(name === where), 'data-key': `place-${axis.n}-${name}`, onclick: () => place(axis.n, name),
    }, text))),
    h('div', { class: 'line' }, h('span', { class: 'soft' }, 'Values'), h('span', {},
      button('all', 'Show all values', () => all(false), { class: 'link' }), ' ', button('none', 'Hide all values', () => all(true), { class: 'link' }))),
    h('div', { class: 'values', 'data-scroll': `values-${axis.n}` }, axis.values.map((value, at) => h('label', {}, h('input', {
      type: 'checkbox', checked: !off?.has(at), 'data-key': `value-${axis.n}-${at}`,
      onchange: (event) => hideValue(axis.n, at, !event.target.checked),
    }), label(value.text, 120)))));
}

/** A selector, with buttons to step through it. */
function selector(axis) {
  const at = picked(axis);
  const open = view.layout === 'wall' ? [['', 'all']] : [];
  const options = axis.values.map((value, n) => [n, value.text]).filter(([n]) => !view.hide.get(axis.n)?.has(n));
  return h('span', { class: 'chip' }, axisMenu(axis, 'pick'),
    button('‹', `${plain(axis.key)}: one back`, () => stepPick(axis, -1), { 'data-key': `back-${axis.n}` }),
    select(`pick-${axis.n}`, plain(axis.key), [...open, ...options], at ?? '', (value) => pickValue(axis, value === '' ? null : Number(value))),
    button('›', `${plain(axis.key)}: one on`, () => stepPick(axis, 1), { 'data-key': `on-${axis.n}` }));
}

function pickValue(axis, at) {
  const pick = new Map(view.pick);
  if (at === null) pick.delete(axis.n);
  else pick.set(axis.n, at);
  show({ pick });
}

function stepPick(axis, step) {
  const values = [...axis.values.keys()].filter((n) => !view.hide.get(axis.n)?.has(n));
  const now = values.indexOf(picked(axis));
  const next = values[now < 0 ? (step > 0 ? 0 : values.length - 1) : (now + step + values.length) % values.length];
  if (next !== undefined) pickValue(axis, next);
}

function drawToolbar() {
  const lane = (title, key, some) => h('span', { class: 'lane' }, h('span', { class: 'soft' }, title),
    some.length ? some.map((n) => h('span', { class: 'chip' }, axisMenu(axes[n], key))) : h('span', { class: 'soft' }, '–'));
  const names = metrics.filter((metric) => extent(cells, metric.name) || metric === STARS).map((metric) => metric.name);
  const sorts = names.flatMap((name) => [[`-${name}`, `${name} ↓`], [name, `${name} ↑`]]);
  refill(byId('bar'),
    wide.length > 1 ? h('div', { class: 'segments', role: 'group', 'aria-label': 'Layout' },
      [['grid', 'Grid'], ['wall', 'Wall']].map(([name, text]) => h('button', {
        type: 'button', 'aria-pressed': String(view.layout === name), 'data-key': `layout-${name}`,
        onclick: () => show({ layout: name, sort: name === 'grid' ? '' : view.sort }),
      }, text))) : null,
    view.layout === 'grid' && wide.length ? [lane('Rows', 'rows', view.rows),
      button('⇄', 'Swap rows and columns (key s)', swap, { class: 'swap', 'data-key': 'swap' }), lane('Columns', 'cols', view.cols)] : null,
    selectors().map(selector),
    h('span', { class: 'push' }),
    names.length ? [
      h('label', { class: 'lane' }, h('span', { class: 'soft' }, 'Colour'),
        select('colour', 'Colour by score', [['', 'none'], ...names.map((name) => [name, name])], view.colour, (colour) => show({ colour }))),
      h('label', { class: 'lane' }, h('span', { class: 'soft' }, 'Sort'),
        select('sort', 'Sort by score', [['', 'as planned'], ...sorts], view.sort,
          (sort) => show(sort ? { sort, layout: 'wall', colour: view.colour || sort.replace(/^-/, '') } : { sort }))),
    ] : null,
    filterMenu(),
    h('label', { class: 'lane size' }, h('span', { class: 'soft' }, 'Size'), h('input', {
      type: 'range', min: SIZES[0], max: SIZES[1], step: 8, 'data-key': 'size', 'aria-label': 'Size of cells', value: view.size,
      oninput: (event) => show({ size: Number(event.target.value) }),
    })));
}
