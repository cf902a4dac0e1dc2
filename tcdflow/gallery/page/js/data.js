// What the page shows: cells, each at its place on the axes, and their scores.
const DATA = JSON.parse(byId('data').textContent);
const cells = DATA.cells;
const axes = DATA.axes.map((axis) => ({ ...axis }));
const cellOf = new Map(cells.map((cell) => [cell.id, cell]));

/** Files lie beside the page: an address of another kind or place is none. */
function local(address) {
  if (!address) return null;
  try {
    const { protocol, host } = new URL(address, location.href);
    return protocol === location.protocol && host === location.host ? address : null;
  } catch {
    return null;
  }
}

/** Several images at one place (of one run, or of two sweeps) get an axis of their own. */
function addImages() {
  const seen = new Map();
  for (const cell of cells) {
    const number = seen.get(cell.at.join()) || 0;
    seen.set(cell.at.join(), number + 1);
    cell.at = [...cell.at, number];
  }
  const most = [...seen.values()].reduce((a, b) => Math.max(a, b), 1);
  axes.push({ key: 'image', numeric: false, values: Array.from({ length: most }, (_, n) => ({ text: String(n) })) });
}
addImages();
for (const cell of cells) [cell.file, cell.thumb] = [local(cell.file), local(cell.thumb)];
const placed = new Map(cells.map((cell) => [cell.at.join(), cell]));

/** A key as tcdflow evaluate has it: the last word, or the group, or an entry's own name where that word says nothing alone. */
const short = (key) => {
  const [group, ...rest] = key.split('.');
  if (['loras', 'adapters', 'embeddings'].includes(group)) return rest.join('.') || group;
  return ['name', 'source', 'kind'].includes(rest.join('.')) ? group : key.split('.').pop();
};
const called = (axis) => axis.key.split(', ').map(short).join(', ');
axes.forEach((axis, n) => {
  axis.n = n;
  axis.label = axes.some((other) => other !== axis && called(other) === called(axis)) ? axis.key : called(axis);
});
/** The axes on which there is something to choose. */
const wide = axes.filter((axis) => axis.values.length > 1);
const valueOf = (cell, axis) => axis.values[cell.at[axis.n]].text;

/** What tells a cell from the others, as [axis label, value] pairs; and as a sentence. */
const traits = (cell) => wide.map((axis) => [axis.label, valueOf(cell, axis)]);
const spoken = (cell) => traits(cell).map(([key, value]) => `${key} ${plain(value, 120)}`).join(', ') || 'image';
/** What tells one cell from others. */
const apart = (one, ...others) => wide.filter((axis) => others.some((other) => one.at[axis.n] !== other.at[axis.n]))
  .map((axis) => `${axis.label} ${valueOf(one, axis)}`).join(' · ');

const STARS = { name: 'your rating', description: 'Stars that you gave, 1 to 5.', better: 'high' };
const metrics = [...DATA.metrics, STARS];
const metricOf = (name) => metrics.find((metric) => metric.name === name);

/** A cell's score, or undefined. */
function score(cell, name) {
  if (name === STARS.name) return rating(cell).stars;
  const value = Object.hasOwn(cell.metrics, name) ? cell.metrics[name] : undefined;
  return Number.isFinite(value) ? value : undefined;
}

/** Lowest and highest score of some cells. */
function extent(some, name) {
  const values = some.map((cell) => score(cell, name)).filter((value) => value !== undefined);
  return values.length ? values.reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]) : null;
}

/** A cell's settings, as JSON texts by key. */
function settings(cell) {
  return new Map([DATA.common, cell.set].flatMap((part) => Object.keys(part).map((key) => [key, DATA.texts[part[key]]])));
}
/** A JSON text as people read it: a string without its quotes. */
function readable(json) {
  if (json === undefined) return '–';
  return json.startsWith('"') ? JSON.parse(json) : json;
}

/** The cell next to this one along an axis, past hidden values and places without a cell. */
function beside(cell, n, step) {
  const at = [...cell.at];
  for (at[n] += step; at[n] >= 0 && at[n] < axes[n].values.length; at[n] += step) {
    const found = !view.hide.get(n)?.has(at[n]) && placed.get(at.join());
    if (found) return found;
  }
  return null;
}
