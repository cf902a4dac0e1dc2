// Each score against each numeric axis: the mean, and the spread over all else; below it a table of means.
const CHART = { width: 320, height: 190, left: 44, right: 12, top: 10, bottom: 26 };

/** Mean, deviation and count of the scores at each value of an axis. */
function grouped(some, axis, name) {
  const groups = new Map();
  for (const cell of some) {
    const value = score(cell, name);
    if (value !== undefined) groups.set(cell.at[axis.n], [...(groups.get(cell.at[axis.n]) || []), value]);
  }
  return [...groups].sort((a, b) => a[0] - b[0]).map(([at, values]) => {
    const mean = values.reduce((all, one) => all + one, 0) / values.length;
    const spread = Math.sqrt(values.reduce((all, one) => all + (one - mean) ** 2, 0) / Math.max(1, values.length - 1));
    return { at, mean, spread, text: `${brief(mean)} ± ${brief(spread)} (${values.length})` };
  });
}

/** Round numbers between two ends, for the marks of a scale. */
function ticks(low, high) {
  const size = 10 ** Math.floor(Math.log10((high - low) / 4));
  const step = size * ([1, 2, 5].find((part) => part * size >= (high - low) / 4) || 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, n) => Number(((first + n) * step).toPrecision(12)));
}

function drawPlots() {
  const some = chosen();
  const told = metrics.filter((metric) => extent(some, metric.name));
  const by = axes[view.by] || null;
  const empty = !wide.length ? 'A single image has nothing to plot.' : 'There are no scores: rate images with the keys 1 to 5, or name metrics in the sweep.';
  refill(byId('plots'), wide.length > 0 && [
    h('div', { class: 'bar' }, lane('A line for each', select('by', 'A line for each value of',
      [['', 'nothing'], ...wide.filter((axis) => axis.values.length <= 8).map((axis) => [axis.n, axis.label])], view.by ?? '', (n) => show({ by: n === '' ? null : +n }))),
    filterMenu(), soft(`${some.length} of ${cells.length} images; a band is one standard deviation`)),
    by && h('div', { class: 'keys' }, by.values.map((value, n) => h('span', {}, h('i', { class: `series s${n}` }), label(value.text, 60)))),
    h('div', { class: 'charts' }, told.flatMap((metric) => wide.filter((axis) => axis.numeric).map((axis) => chart(some, axis, metric.name, by === axis ? null : by))))],
  wide.length && told.length ? meansTable(some, axes[view.means] || wide[0], told) : h('p', { class: 'empty' }, empty));
}

function chart(some, axis, name, by) {
  const series = by ? by.values.map((_, n) => grouped(some.filter((cell) => cell.at[by.n] === n), axis, name)) : [grouped(some, axis, name)];
  const all = series.flat();
  if (!all.length) return null;
  const xOf = (point) => axis.values[point.at].number ?? point.at;
  const xs = [...new Set(all.map(xOf))].sort((a, b) => a - b);
  const ends = [Math.min(...all.map((one) => one.mean - one.spread)), Math.max(...all.map((one) => one.mean + one.spread))];
  const pad = (ends[1] - ends[0]) * 0.08 || Math.abs(ends[1]) * 0.1 || 1;
  const [low, high] = [ends[0] - pad, ends[1] + pad];
  const px = (x) => CHART.left + (xs.length > 1 ? (x - xs[0]) / (xs.at(-1) - xs[0]) : 0.5) * (CHART.width - CHART.left - CHART.right);
  const py = (y) => CHART.top + (1 - (y - low) / (high - low)) * (CHART.height - CHART.top - CHART.bottom);
  const points = (some_, shift) => some_.map((one) => `${px(xOf(one)).toFixed(1)},${py(one.mean + shift * one.spread).toFixed(1)}`);
  const text = (x, y, anchor, value) => s('text', { x, y, 'text-anchor': anchor }, brief(value));
  return h('figure', { class: 'chart' }, h('figcaption', {}, label(name), soft(' against ', label(axis.label))),
    s('svg', { viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: 'img', 'aria-label': `${plain(name)} against ${plain(axis.label)}; the means are in the table` },
      ticks(low, high).map((y) => [s('line', { class: 'rule', x1: CHART.left, x2: CHART.width - CHART.right, y1: py(y), y2: py(y) }), text(CHART.left - 6, py(y) + 4, 'end', y)]),
      xs.filter((_, n) => n % Math.ceil(xs.length / 8) === 0).map((x) => text(px(x), CHART.height - 8, 'middle', x)),
      series.map((line, n) => s('g', { class: `series s${n}` },
        s('polygon', { points: [...points(line, 1), ...points(line, -1).reverse()].join(' ') }), s('polyline', { points: points(line, 0).join(' ') }),
        line.map((one) => s('circle', { cx: px(xOf(one)), cy: py(one.mean), r: 3 },
          s('title', {}, `${by ? `${plain(by.values[n].text, 60)}, ` : ''}${plain(axis.values[one.at].text, 60)}: ${one.text}`)))))));
}

function meansTable(some, axis, told) {
  const columns = told.map((metric) => new Map(grouped(some, axis, metric.name).map((one) => [one.at, one])));
  const best = told.map(({ better }, n) => {
    const means = [...columns[n].values()].map((one) => one.mean);
    return better && means.length > 1 ? Math[better === 'high' ? 'max' : 'min'](...means) : null;
  });
  const row = (value, at) => columns.some((column) => column.has(at)) && h('tr', {}, h('th', { scope: 'row' }, label(value.text, 120)),
    columns.map((column, n) => h('td', { class: column.get(at)?.mean === best[n] ? 'best' : null }, column.get(at)?.text ?? '–')));
  const head = ({ name, description, better }) => h('th', { scope: 'col', title: plain(description) }, label(name), better && soft(better === 'low' ? ' ↓' : ' ↑'));
  return h('section', { class: 'means' },
    h('h3', {}, 'Means by ', select('means', 'Means by', wide.map((one) => [one.n, one.label]), axis.n, (n) => show({ means: +n }))),
    h('div', { class: 'wide-table', tabindex: '0', role: 'region', 'aria-label': 'Means' }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, label(axis.label)), told.map(head))), h('tbody', {}, axis.values.map(row)))));
}
