// Where each cell stands: a grid of the axes in rows and columns, or a wall of all cells in order.
const GAP = 8;
const HEAD = 30;

/** The value of an axis that is neither in rows nor in columns; in a wall it may be open. */
function picked(axis) {
  const off = view.hide.get(axis.n);
  const at = view.pick.get(axis.n);
  if (at !== undefined && !off?.has(at)) return at;
  return view.layout === 'wall' ? null : Math.max(0, axis.values.findIndex((_, n) => !off?.has(n)));
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
  const starts = [0];
  tuples.forEach((tuple, n) => {
    const outer = tuples[n + 1] && tuple.slice(0, -1).join() !== tuples[n + 1].slice(0, -1).join();
    starts.push(starts[n] + size + (outer ? 14 : 0));
  });
  return starts;
}

/** The line at a pixel. */
function lineAt(starts, pixel) {
  let low = 0;
  let high = Math.max(0, starts.length - 2);
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
  for (const { width, height } of cells) if (width && height) counts.set(height / width, (counts.get(height / width) || 0) + 1);
  return clamp([...counts].reduce((a, b) => (b[1] > a[1] ? b : a), [1, 0])[0], 0.5, 2);
})();

/** Widths of the row headers, outer first: long prompts get room, numbers little. */
const sideWidths = () => view.rows.map((n) => clamp(24 + 8 * axes[n].values.reduce((most, value) => Math.max(most, value.text.length), axes[n].label.length), 60, 200));

/** Places all that is shown, for a width in pixels that the scrolling part has. */
function arrange(width) {
  const fixed = selectors().map((axis) => [axis.n, picked(axis)]).filter(([, at]) => at !== null);
  const some = chosen().filter((cell) => fixed.every(([n, at]) => cell.at[n] === at));
  const tile = { width: view.size, height: Math.round(view.size * SHAPE) };
  const wall = view.layout === 'wall';
  const banner = !wall && innerWidth < 700 && view.rows.length > 0;
  const across = Math.max(1, Math.floor((width - GAP) / (tile.width + GAP)));
  const blank = (count) => Array.from({ length: count }, () => []);
  const rows = wall ? blank(Math.ceil(some.length / across)) : lines(some, view.rows);
  const cols = wall ? blank(Math.min(across, some.length)) : lines(some, view.cols);
  const number = (tuples) => new Map(tuples.map((at, n) => [at.join(), n]));
  const [rowOf, colOf] = [number(rows), number(cols)];
  const place = (cell, n) => (wall ? [Math.floor(n / across), n % across]
    : [rowOf.get(view.rows.map((axis) => cell.at[axis]).join()), colOf.get(view.cols.map((axis) => cell.at[axis]).join())]);
  const places = new Map(some.map((cell, n) => [cell.id, place(cell, n)]));
  const caption = banner ? HEAD : wall && wide.length ? 24 : 0;
  const xs = offsets(cols, tile.width + GAP);
  const ys = offsets(rows, tile.height + GAP + caption);
  return {
    some, places, tile, banner, wall, caption, rows, cols, xs, ys, width: xs.at(-1), height: ys.at(-1),
    at: new Map(some.map((cell) => [places.get(cell.id).join(), cell])),
    side: wall || banner ? 0 : sideWidths().reduce((all, one) => all + one, 0),
    head: wall ? 0 : view.cols.length * HEAD + (view.rows.length && !banner ? 24 : 4),
  };
}

/** Neighbouring lines with one value, level by level: [level, first, last, value]. */
function runs(tuples, from, to) {
  const found = [];
  for (let level = 0; level < (tuples[0]?.length || 0); level += 1) {
    const key = (n) => tuples[n]?.slice(0, level + 1).join();
    for (let n = from; n <= to;) {
      let first = n;
      let end = n;
      while (key(first - 1) === key(n)) first -= 1;
      while (key(end + 1) === key(n)) end += 1;
      found.push([level, first, end, tuples[n][level]]);
      n = end + 1;
    }
  }
  return found;
}
