// Each score against each numeric axis: the mean, and the spread over all else; below it a table of means.
const CHART = { width: 320, height: 190, left: 44, right: 10, top: 10, bottom: 26 };

/** Mean, deviation, ends and count of scores by an axis's values. */
function grouped(some, axis, name) {
  const groups = new Map();
  for (const cell of some) {
    const value = score(cell, name);
    if (value === undefined || !Number.isFinite(value)) continue;
    const at = cell.at[axis.n];
    if (!groups.has(at)) groups.set(at, []);
    groups.get(at).push(value);
  }
  return [...groups].sort((a, b) => a[0] - b[0]).map(([at, values]) => {
    const mean = values.reduce((all, one) => all + one, 0) / values.length;
    const spread = Math.sqrt(values.reduce((all, one) => all + (one - mean) ** 2, 0) / Math.max(1, values.length - 1));
    return { at, mean, spread, count: values.length };
  });
}

/** Round numbers between two ends, for the marks of a scale. */
function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = size * ([1, 2, 5].find((part) => part * size >= raw) || 10);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}

function drawPlots() {
  const some = chosen();
  const numeric = wide.filter((axis) => axis.numeric);
  const told = metrics.filter((metric) => extent(some, metric.name));
  const by = view.by === null ? null : axes[view.by];
  const means = view.means === null ? wide[0] : axes[view.means];
  refill(byId('plots'),
    told.length && wide.length ? h('div', { class: 'bar' },
      h('label', { class: 'lane' }, h('span', { class: 'soft' }, 'A line for each'), select('by', 'A line for each value of',
        [['', 'nothing'], ...wide.filter((axis) => axis.values.length <= 8).map((axis) => [axis.n, axis.label])], view.by ?? '',
        (n) => show({ by: n === '' ? null : Number(n) }))),
      filterMenu(), h('span', { class: 'soft' }, `${some.length} of ${cells.length} images; bands are one standard deviation`)) : null,
    told.length && wide.length ? null : h('p', { class: 'empty' }, wide.length ? 'There are no scores yet: rate images with the keys 1 to 5, or name metrics in the sweep.'
      : 'A single image has nothing to plot.'),
    by ? h('div', { class: 'keys' }, by.values.map((value, n) => h('span', {}, h('i', { class: `series s${n}` }), label(value.text, 60)))) : null,
    h('div', { class: 'charts' }, told.flatMap((metric) => numeric.map((axis) => chart(some, axis, metric, by === axis ? null : by)))),
    told.length && means ? meansTable(some, means, told) : null);
}

function chart(some, axis, metric, by) {
  const series = by ? by.values.map((_, n) => grouped(some.filter((cell) => cell.at[by.n] === n), axis, metric.name))
    : [grouped(some, axis, metric.name)];
  const all = series.flat();
  if (!all.length) return null;
  const xs = all.map((point) => axis.values[point.at].number ?? point.at);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  const [y0, y1] = [Math.min(...all.map((one) => one.mean - one.spread)), Math.max(...all.map((one) => one.mean + one.spread))];
  const pad = (y1 - y0) * 0.08 || Math.abs(y1) * 0.1 || 1;
  const px = (x) => CHART.left + (x1 > x0 ? (x - x0) / (x1 - x0) : 0.5) * (CHART.width - CHART.left - CHART.right);
  const py = (y) => CHART.top + (1 - (y - y0 + pad) / (y1 - y0 + 2 * pad)) * (CHART.height - CHART.top - CHART.bottom);
  const place = (one, shift = 0) => `${px(axis.values[one.at].number ?? one.at).toFixed(1)},${py(one.mean + shift * one.spread).toFixed(1)}`;
  const at = (one) => place(one).split(',');
  return h('figure', { class: 'chart' },
    h('figcaption', {}, label(metric.name), h('span', { class: 'soft' }, ' against ', label(axis.label))),
    s('svg', { viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: 'img', 'aria-label': `${plain(metric.name)} against ${plain(axis.label)}; the means are in the table below` },
      ticks(y0 - pad, y1 + pad, 4).map((y) => [s('line', { class: 'rule', x1: CHART.left, x2: CHART.width - CHART.right, y1: py(y), y2: py(y) }),
        s('text', { x: CHART.left - 6, y: py(y) + 4, 'text-anchor': 'end' }, brief(y))]),
      [...new Set(xs)].filter((_, n, list_) => list_.length <= 8 || n % Math.ceil(list_.length / 8) === 0)
        .map((x) => s('text', { x: px(x), y: CHART.height - 8, 'text-anchor': 'middle' }, brief(x))),
      series.map((points, n) => (points.length ? s('g', { class: `series s${n}` },
        s('polygon', { points: [...points.map((one) => place(one, 1)), ...[...points].reverse().map((one) => place(one, -1))].join(' ') }),
        s('polyline', { points: points.map((one) => place(one)).join(' ') }),
        points.map((one) => s('circle', { cx: at(one)[0], cy: at(one)[1], r: 3 },
          s('title', {}, `${by ? `${plain(by.values[n].text, 60)}: ` : ''}${plain(axis.values[one.at].text, 60)}: ${brief(one.mean)} ± ${brief(one.spread)} (${one.count})`)))) : []))));
}

function meansTable(some, axis, told) {
  const columns = told.map((metric) => new Map(grouped(some, axis, metric.name).map((one) => [one.at, one])));
  const best = told.map((metric, n) => {
    const means = [...columns[n].values()].map((one) => one.mean);
    return metric.better && means.length > 1 ? Math[metric.better === 'high' ? 'max' : 'min'](...means) : null;
  });
  return h('section', { class: 'means' },
    h('h3', {}, 'Means by ', select('means', 'Means by', wide.map((one) => [one.n, one.label]), axis.n, (n) => show({ means: Number(n) }))),
    h('div', { class: 'wide-table', tabIndex: 0, role: 'region', 'aria-label': 'Means' }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, label(axis.label)), told.map((metric) => h('th', { scope: 'col', title: plain(metric.description) },
        label(metric.name), metric.better ? h('span', { class: 'soft' }, metric.better === 'low' ? ' ↓' : ' ↑') : '')))),
      h('tbody', {}, axis.values.map((value, at) => (columns.some((column) => column.has(at)) ? h('tr', {},
        h('th', { scope: 'row' }, label(value.text, 120)), columns.map((column, n) => {
          const one = column.get(at);
          return h('td', { class: one && one.mean === best[n] ? 'best' : null }, one ? [brief(one.mean),
            h('span', { class: 'soft' }, ` ± ${brief(one.spread)} (${one.count})`)] : '–');
        })) : null))))));
}
