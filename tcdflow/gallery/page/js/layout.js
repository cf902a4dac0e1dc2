// Where each cell stands: a grid of the axes in rows and columns, or a wall of all cells in order.

/** The value of an axis that is neither in rows nor in columns; in a wall it may be open. */
function picked(axis) {
  const at = view.pick.get(axis.n);
  if (at !== undefined && !view.hide.get(axis.n)?.has(at)) return at;
  if (view.layout === 'wall') return null;
  const first = axis.values.findIndex((_, n) => !view.hide.get(axis.n)?.has(n));
  return Math.max(0, first);
}

const selectors = () => wide.filter((axis) => view.layout === 'wall' || ![...view.rows, ...view.cols].includes(axis.n));

/** The lines of one side: each a tuple of value indices, in the order of the values. */
function lines(some, sides) {
  const found = new Map();
  for (const cell of some) {
    const at = sides.map((n) => cell.at[n]);
    found.set(at.join(), at);
  }
  return [...found.values()].sort((a, b) => a.map((value, n) => value - b[n]).find(Boolean) || 0);
}

/** Pixels at which lines begin; where an outer value changes there is a gap. */
function offsets(tuples, size) {
  const gap = 14;
  const starts = new Float64Array(tuples.length + 1);
  for (let n = 0; n < tuples.length; n += 1) {
    const next = tuples[n + 1];
    const outer = next && next.length > 1 && next.slice(0, -1).join() !== tuples[n].slice(0, -1).join();
    starts[n + 1] = starts[n] + size + (outer ? gap : 0);
  }
  return starts;
}

/** The line at a pixel. */
function lineAt(starts, pixel) {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= pixel) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Height over width of most images. */
const SHAPE = (() => {
  const counts = new Map();
  for (const { width, height } of cells) {
    if (width && height) counts.set(height / width, (counts.get(height / width) || 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1])[0] || [1];
  return clamp(most, 0.5, 2);
})();

const GAP = 8;
const narrow = () => innerWidth < 700;

/** Places all that is shown, for a width in pixels that the scrolling part has. */
function arrange(width) {
  const open = selectors().filter((axis) => picked(axis) !== null);
  const some = chosen().filter((cell) => open.every((axis) => cell.at[axis.n] === picked(axis)));
  const tile = { width: view.size, height: Math.round(view.size * SHAPE) };
  const places = new Map();
  if (view.layout === 'wall') {
    const caption = wide.length ? 40 : 0;
    const across = Math.max(1, Math.floor((width - GAP) / (tile.width + GAP)));
    some.forEach((cell, n) => places.set(cell.id, [Math.floor(n / across), n % across]));
    const rows = Array.from({ length: Math.ceil(some.length / across) }, () => []);
    return finish({ some, places, tile, caption, rows, cols: Array.from({ length: Math.min(across, some.length) }, () => []), head: 0, side: 0 });
  }
  const rows = lines(some, view.rows);
  const cols = lines(some, view.cols);
  const rowOf = new Map(rows.map((at, n) => [at.join(), n]));
  const colOf = new Map(cols.map((at, n) => [at.join(), n]));
  for (const cell of some) {
    places.set(cell.id, [rowOf.get(view.rows.map((n) => cell.at[n]).join()), colOf.get(view.cols.map((n) => cell.at[n]).join())]);
  }
  const banner = narrow() && view.rows.length > 0;
  return finish({
    some, places, tile, caption: banner ? 30 : 0, banner, rows, cols,
    head: view.cols.length * 30 + (view.cols.length ? 6 : 0), side: banner ? 0 : sides().reduce((all, one) => all + one, 0),
  });
}

/** Widths of the row headers, outer first: long prompts get room, numbers little. */
function sides() {
  return view.rows.map((n) => {
    const long = axes[n].values.reduce((most, value) => Math.max(most, value.text.length), axes[n].label.length);
    return clamp(long * 8 + 20, 56, 190);
  });
}

function finish(plan) {
  const xs = offsets(plan.cols, plan.tile.width + GAP);
  const ys = offsets(plan.rows, plan.tile.height + GAP + plan.caption);
  const at = new Map();
  for (const cell of plan.some) at.set(plan.places.get(cell.id).join(), cell);
  return { ...plan, xs, ys, at, width: xs[plan.cols.length], height: ys[plan.rows.length] };
}
