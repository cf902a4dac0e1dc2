// The grid. Only what is in view is in the document.
const scroller = byId('scroll');
const figures = new Map();
let plan = null;
let signature = '';
let focused = null;

/** Lays the grid out again if something that decides it has changed. */
function drawGrid() {
  const { tab, cell, with: marks, mode, split, gain, walk, rise, by, means, blind, ...deciding } = view;
  const given = view.sort || view.where.size || view.favourites ? formatRatings() : '';
  const asked = `${write({ ...defaults(), ...deciding })} ${scroller.clientWidth} ${given}`;
  if (asked !== signature) {
    signature = asked;
    plan = arrange(scroller.clientWidth);
    if (!plan.places.has(focused)) focused = plan.some[0]?.id || null;
    styled(scroller, { '--head': `${plan.head}px`, '--side': `${plan.side}px`, '--tile': `${plan.tile.width}px`, '--high': `${plan.tile.height}px` });
    styled(byId('canvas'), { width: `${plan.side + plan.width + GAP}px`, height: `${plan.head + plan.height + GAP}px` });
    for (const figure of figures.values()) figure.remove();
    figures.clear();
    drawCorner();
  }
  drawLegend();
  byId('none').hidden = plan.some.length > 0;
  fill();
}

/** Brings into the document what is in view, and takes out what is not. */
function fill() {
  const [left, top] = [scroller.scrollLeft, scroller.scrollTop];
  const span = (starts, from, to) => [lineAt(starts, from), lineAt(starts, to)];
  const [r0, r1] = span(plan.ys, top - plan.tile.height, top + scroller.clientHeight - plan.head + plan.tile.height);
  const [c0, c1] = span(plan.xs, left, left + scroller.clientWidth - plan.side);
  const wanted = new Map();
  for (let row = r0; row <= r1; row += 1) {
    for (let col = c0; col <= c1; col += 1) {
      const cell = plan.at.get(`${row},${col}`);
      if (cell) wanted.set(cell.id, [cell, row, col]);
    }
  }
  for (const [id, figure] of figures) {
    if (wanted.has(id) || figure.contains(doc.activeElement)) continue;
    figure.remove();
    figures.delete(id);
  }
  for (const [id, [cell, row, col]] of wanted) {
    if (figures.has(id)) continue;
    figures.set(id, figureOf(cell, row, col));
    byId('cells').append(figures.get(id));
  }
  const tabbed = wanted.has(focused) ? focused : wanted.keys().next().value;
  for (const [id, figure] of figures) dress(figure, cellOf.get(id), id === tabbed);
  if (!plan.wall && plan.some.length) drawHeads(r0, r1, c0, c1);
}

function figureOf(cell, row, col) {
  const press = act(cell.id, faceOf(cell), (event) => (event.shiftKey || event.ctrlKey || event.metaKey ? mark(cell) : open(cell)), {
    class: 'press', onfocus: () => { focused = cell.id; }, onpointerenter: () => play(press, cell), onpointerleave: () => rest(press, cell) });
  const caption = plan.wall && wide.length && h('figcaption', {}, label(traits(cell).map(([, value]) => plain(value, 60)).join(' · ')));
  return styled(h('figure', { class: 'cell' }, press, caption),
    { transform: `translate(${plan.xs[col]}px, ${plan.ys[row] + (plan.banner ? plan.caption : 0)}px)` });
}

/** A thumbnail, the image where cells are large, or the reason why there is none. */
function faceOf(cell) {
  if (cell.status !== 'done' || !(cell.thumb || cell.file)) {
    return h('span', { class: `blank ${cell.status}` }, h('b', {}, cell.status), cell.reason && h('span', { class: 'reason' }, label(cell.reason, 200)));
  }
  const large = view.size * devicePixelRatio > 240 && cell.file && !cell.video && !(cell.frames > 1);
  return h('img', { alt: '', decoding: 'async', draggable: 'false', src: (large && cell.file) || cell.thumb || cell.file,
    class: cell.width <= 96 ? 'pixels' : null });
}

/** Animations run under the pointer. */
const stillOnly = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
function play(press, cell) {
  const still = press.querySelector('img');
  if (!still || !(cell.video || cell.frames > 1) || stillOnly()) return;
  if (cell.video) still.after(h('video', { src: cell.file, muted: true, loop: true, autoplay: true, playsInline: true }));
  else still.src = cell.file;
}
function rest(press, cell) {
  press.querySelector('video')?.remove();
  const still = press.querySelector('img');
  if (still && cell.frames > 1 && cell.thumb) still.src = cell.thumb;
}

/** What may change while a figure stands: its score, its rating, its mark. */
function dress(figure, cell, tabbed) {
  const press = figure.firstChild;
  const { stars, favourite } = rating(cell);
  const value = view.colour ? score(cell, view.colour) : undefined;
  const marked = view.with.includes(cell.id);
  press.tabIndex = tabbed ? 0 : -1;
  const state = [stars, favourite, value, marked, scale?.ends].join();
  if (press.dataset.state === state) return;
  press.dataset.state = state;
  press.setAttribute('aria-label', [spoken(cell), cell.status !== 'done' && `${cell.status}: ${plain(cell.reason || '', 200)}`,
    value !== undefined && `${plain(view.colour)} ${brief(value)}`, stars && `${stars} stars`, favourite && 'favourite', marked && 'marked'].filter(Boolean).join(', '));
  figure.classList.toggle('marked', marked);
  for (const old of press.querySelectorAll('.badge')) old.remove();
  const badge = (name, ...kids) => press.append(h('span', { class: `badge ${name}` }, kids));
  if (cell.video || cell.frames > 1) badge('film', '▸');
  if (stars || favourite) badge('given', '★'.repeat(stars || 0), favourite && '♥\ufe0e');
  if (value === undefined) return;
  badge('worth', brief(value));
  badge('tint');
  styled(press.lastChild, { background: colourOf(value) });
}

/** The names of the axes, where rows and columns meet. */
function drawCorner() {
  const widths = sideWidths();
  const names = (some, box) => some.map((n, level) => styled(h('span', { class: 'axis', title: axes[n].key }, label(axes[n].label)), box(level)));
  const left = (level) => widths.slice(0, level).reduce((all, one) => all + one, 0);
  byId('corner').replaceChildren(...(plan.side ? [
    names(view.cols, (level) => ({ top: `${level * HEAD + 6}px`, right: '6px', 'max-width': `${plan.side - 12}px` })),
    names(view.rows, (level) => ({ bottom: '1px', left: `${left(level) + 16}px`, 'max-width': `${widths[level] - 16}px` })),
  ].flat() : []));
  byId('heads').replaceChildren();
  byId('sides').replaceChildren();
}

/** Headers: outer ones span their group, and their text stays in view. */
function drawHeads(r0, r1, c0, c1) {
  const widths = sideWidths();
  const head = (n, at, box) => styled(h('div', { class: 'head', title: plain(axes[n].values[at].text, 500) },
    h('span', {}, !plan.side && h('em', {}, label(axes[n].label)), label(axes[n].values[at].text, 400))), box);
  byId('heads').replaceChildren(...runs(plan.cols, c0, c1).map(([level, from, to, at]) => head(view.cols[level], at,
    { left: `${plan.xs[from]}px`, top: `${level * HEAD + 3}px`, width: `${plan.xs[to] + plan.tile.width - plan.xs[from]}px` })));
  byId('sides').replaceChildren(...(plan.banner ? banners(r0, r1) : runs(plan.rows, r0, r1).map(([level, from, to, at]) => head(view.rows[level], at, {
    top: `${plan.ys[from]}px`, left: `${widths.slice(0, level).reduce((all, one) => all + one, 0)}px`, width: `${widths[level] - 8}px`,
    height: `${plan.ys[to] + plan.tile.height - plan.ys[from]}px` }))));
}

/** On a narrow screen a row's header stands above it. */
function banners(r0, r1) {
  return plan.rows.slice(r0, r1 + 1).map((tuple, n) => styled(h('div', { class: 'banner' }, view.rows.map((axis, level) => [
    h('em', {}, label(axes[axis].label)), label(axes[axis].values[tuple[level]].text, 200), ' '])),
  { top: `${plan.ys[r0 + n]}px`, width: `${scroller.clientWidth - 16}px` }));
}

/** Moves the focus, and what is in view with it. */
function walkGrid(rows, cols) {
  let [row, col] = plan.places.get(focused) || [];
  while (row !== undefined) {
    row += rows;
    col += cols;
    if (plan.wall && col < 0) [row, col] = [row - 1, plan.cols.length - 1];
    if (plan.wall && col >= plan.cols.length) [row, col] = [row + 1, 0];
    if (row < 0 || col < 0 || row >= plan.rows.length || col >= plan.cols.length) return;
    const cell = plan.at.get(`${row},${col}`);
    if (cell) return focusCell(cell);
  }
}

function focusCell(cell) {
  if (!cell || !plan.places.has(cell.id)) return;
  const [row, col] = plan.places.get(cell.id);
  const near = (start, from, length, room) => (start < from ? start : Math.max(from, start + length - room));
  scroller.scrollTop = near(plan.ys[row], scroller.scrollTop, plan.tile.height + plan.caption + GAP, scroller.clientHeight - plan.head);
  scroller.scrollLeft = near(plan.xs[col], scroller.scrollLeft, plan.tile.width + GAP, scroller.clientWidth - plan.side);
  focused = cell.id;
  fill();
  figures.get(cell.id)?.firstChild.focus({ preventScroll: true });
}

scroller.addEventListener('scroll', () => requestAnimationFrame(() => plan && fill()), { passive: true });
new ResizeObserver(() => { if (view.tab === 'grid') drawGrid(); }).observe(scroller);
