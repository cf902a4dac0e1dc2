// What the page shows: cells, each at its place on the axes, and their scores.
const DATA = JSON.parse(byId('data').textContent);
const cells = DATA.cells;
const cellOf = new Map(cells.map((cell) => [cell.id, cell]));
const axes = DATA.axes.map((axis) => ({ ...axis }));
const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

/** Several images at one place (of one run, or of two sweeps) get an axis of their own. */
function addImages() {
  const seen = new Map();
  for (const cell of cells) {
    const key = cell.at.join();
    const number = seen.get(key) || 0;
    seen.set(key, number + 1);
    cell.at = [...cell.at, number];
  }
  const most = [...seen.values()].reduce((a, b) => Math.max(a, b), 1);
  axes.push({ key: 'image', numeric: false, values: Array.from({ length: most }, (_, n) => ({ text: String(n) })) });
}
addImages();
axes.forEach((axis, n) => { axis.n = n; });

const placed = new Map(cells.map((cell) => [cell.at.join(), cell]));
/** The axes on which there is something to choose. */
const wide = axes.filter((axis) => axis.values.length > 1);

/** An axis's key without the groups that say nothing more. */
function short(axis) {
  const last = axis.key.split('.').pop();
  return axes.filter((other) => other.key.split('.').pop() === last).length > 1 ? axis.key : last;
}
axes.forEach((axis) => { axis.label = short(axis); });
const valueOf = (cell, axis) => axis.values[cell.at[axis.n]].text;

const scored = new Set(DATA.metrics.map((metric) => metric.name));
const metrics = [...DATA.metrics];
if (!scored.has('seconds') && cells.some((cell) => cell.seconds !== null)) {
  metrics.push({ name: 'seconds', description: 'Seconds that the image took.', better: 'low' });
}
const STARS = { name: 'your rating', description: 'Stars that you gave, 1 to 5.', better: 'high' };
metrics.push(STARS);

/** A cell's score, or undefined. */
function score(cell, name) {
  if (scored.has(name)) return own(cell.metrics, name);
  return name === STARS.name ? rating(cell).stars : cell.seconds ?? undefined;
}
const metricOf = (name) => metrics.find((metric) => metric.name === name);

/** Lowest and highest score of some cells. */
function extent(some, name) {
  let low = Infinity;
  let high = -Infinity;
  for (const cell of some) {
    const value = score(cell, name);
    if (value === undefined || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : null;
}

/** What tells a cell from the others, as [axis label, value] pairs. */
const traits = (cell) => wide.map((axis) => [axis.label, valueOf(cell, axis)]);
const spoken = (cell) => traits(cell).map(([key, value]) => `${key} ${plain(value, 120)}`).join(', ') || 'image';

/** A cell's settings, as JSON texts by key. */
function settings(cell) {
  const all = new Map();
  for (const part of [DATA.common, cell.set]) {
    for (const key of Object.keys(part)) all.set(key, DATA.texts[part[key]]);
  }
  return all;
}
/** A JSON text as people read it: a string without its quotes. */
function readable(json) {
  if (json === undefined) return '–';
  return json.startsWith('"') ? JSON.parse(json) : json;
}

/** The cell next to this one along an axis, past hidden values and places without a cell. */
function beside(cell, n, step) {
  const at = [...cell.at];
  const values = axes[n].values;
  for (at[n] += step; at[n] >= 0 && at[n] < values.length; at[n] += step) {
    if (view.hide.get(n)?.has(at[n])) continue;
    const found = placed.get(at.join());
    if (found) return found;
  }
  return null;
}
