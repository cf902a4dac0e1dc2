// Which cells are shown, and in which order.
const searched = new Map();

/** All that can be searched in a cell, in lower case. */
function wordsOf(cell) {
  if (!searched.has(cell)) {
    const values = Object.values(cell.set).map((at) => readable(DATA.texts[at]));
    searched.set(cell, [cell.name, cell.reason || '', ...traits(cell).flat(), ...values].join('\n').toLowerCase());
  }
  return searched.get(cell);
}

function matches(cell) {
  if (view.status && cell.status !== view.status) return false;
  if (view.favourites && !rating(cell).favourite) return false;
  for (const [name, [low, high]] of view.where) {
    const value = score(cell, name);
    if (value === undefined || (low !== null && value < low) || (high !== null && value > high)) return false;
  }
  const find = view.find.toLowerCase().trim();
  return !find || find.split(/\s+/).every((part) => wordsOf(cell).includes(part));
}

const hidden = (cell) => [...view.hide].some(([n, values]) => values.has(cell.at[n]));

/** Those that pass the filter and have no hidden value, in their order; without a score they come last. */
function chosen() {
  const found = cells.filter((cell) => !hidden(cell) && matches(cell));
  if (!view.sort) return found;
  const name = view.sort.replace(/^-/, '');
  const sign = name === view.sort ? 1 : -1;
  const rank = new Map(found.map((cell) => [cell, score(cell, name)]));
  return found.sort((a, b) => {
    const [one, other] = [rank.get(a), rank.get(b)];
    return one === undefined || other === undefined ? (one === undefined) - (other === undefined) : sign * (one - other);
  });
}

function bound(name, end, text) {
  const ends = [...(view.where.get(name) || [null, null])];
  ends[end] = text === '' ? null : +text;
  const where = new Map(view.where);
  if (ends[0] === null && ends[1] === null) where.delete(name);
  else where.set(name, ends);
  show({ where });
}

function filterMenu() {
  const count = view.where.size + Boolean(view.find) + view.favourites + Boolean(view.status);
  const statuses = ['done', 'failed', 'running', 'missing'].filter((one) => cells.some((cell) => cell.status === one));
  const line = (title, control) => h('label', { class: 'line' }, title, control);
  const ends = (metric, reach) => [0, 1].map((end) => h('input', {
    type: 'number', step: 'any', key: `where-${metric.name}-${end}`, placeholder: reach ? brief(reach[end]) : null,
    'aria-label': `${plain(metric.name)}: ${end ? 'at most' : 'at least'}`, value: view.where.get(metric.name)?.[end] ?? '',
    onchange: (event) => bound(metric.name, end, event.target.value),
  }));
  return menu('filter', ['Filter', count && h('b', { class: 'count' }, String(count))], 'Filter',
    line('Search', h('input', { type: 'search', key: 'find', value: view.find, placeholder: 'prompt, setting, reason',
      onchange: (event) => show({ find: event.target.value }) })),
    line('Status', select('status', 'Status', [['', 'any'], ...statuses.map((one) => [one, one])], view.status, (status) => show({ status }))),
    line('Favourites only', h('input', { type: 'checkbox', key: 'favourites', checked: view.favourites,
      onchange: (event) => show({ favourites: event.target.checked }) })),
    metrics.map((metric) => h('div', { class: 'line', title: plain(metric.description) }, label(metric.name),
      h('span', { class: 'bounds' }, ends(metric, extent(cells, metric.name))))),
    count && act('unfilter', 'Clear all', () => show(NO_FILTER), { class: 'wide' }));
}
