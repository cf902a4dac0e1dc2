// Which cells are shown, and in which order.
const words = new Map();

/** All that can be searched in a cell, in lower case. */
function wordsOf(cell) {
  if (!words.has(cell)) {
    const values = Object.values(cell.set).map((at) => readable(DATA.texts[at]));
    words.set(cell, [cell.name, cell.reason || '', ...traits(cell).flat(), ...values].join('\n').toLowerCase());
  }
  return words.get(cell);
}

const filtering = () => Boolean(view.where.size || view.find || view.favourites || view.status);

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

/** Those that pass the filter and have no hidden value, best first if they are sorted. */
function chosen() {
  const found = cells.filter((cell) => !hidden(cell) && matches(cell));
  if (!view.sort) return found;
  const name = view.sort.replace(/^-/, '');
  const sign = view.sort.startsWith('-') ? -1 : 1;
  const worth = (cell) => score(cell, name) ?? sign * Infinity;
  return found.sort((a, b) => sign * (worth(a) - worth(b)) || 0);
}

function within(name, end, text) {
  const ends = [...(view.where.get(name) || [null, null])];
  ends[end] = text === '' || !Number.isFinite(Number(text)) ? null : Number(text);
  const where = new Map(view.where);
  if (ends[0] === null && ends[1] === null) where.delete(name);
  else where.set(name, ends);
  show({ where });
}

function filterMenu() {
  const count = view.where.size + Boolean(view.find) + view.favourites + Boolean(view.status);
  const bound = (metric, end, reach) => h('input', {
    type: 'number', step: 'any', 'data-key': `where-${metric.name}-${end}`, placeholder: reach ? brief(reach[end]) : '',
    'aria-label': `${plain(metric.name)}: ${end ? 'at most' : 'at least'}`, value: view.where.get(metric.name)?.[end] ?? '',
    onchange: (event) => within(metric.name, end, event.target.value),
  });
  const statuses = ['', 'done', 'failed', 'running', 'missing'].filter((one) => !one || cells.some((cell) => cell.status === one));
  return menu('filter', ['Filter', count ? h('b', { class: 'count' }, String(count)) : null], 'Filter', {},
    h('label', { class: 'line' }, 'Search', h('input', {
      type: 'search', id: 'find', 'data-key': 'find', value: view.find, placeholder: 'prompt, setting, reason',
      onchange: (event) => show({ find: event.target.value }),
    })),
    h('label', { class: 'line' }, 'Status', select('status', 'Status', statuses.map((one) => [one, one || 'any']), view.status,
      (status) => show({ status }))),
    h('label', { class: 'line' }, 'Favourites only', h('input', {
      type: 'checkbox', 'data-key': 'favourites', checked: view.favourites,
      onchange: (event) => show({ favourites: event.target.checked }),
    })),
    metrics.map((metric) => h('div', { class: 'line', title: plain(metric.description) }, label(metric.name),
      h('span', { class: 'bounds' }, bound(metric, 0, extent(cells, metric.name)), '–', bound(metric, 1, extent(cells, metric.name))))),
    count ? h('button', { type: 'button', class: 'wide', onclick: () => show({ where: new Map(), find: '', favourites: false, status: '' }) },
      'Clear all') : null);
}
