// The grid. Only what is in view is in the document.
const scroller = byId('scroll');
const body = byId('cells');
const heads = byId('heads');
const sidesNode = byId('sides');
const figures = new Map();
let plan = null;
let signature = '';
let focused = null;

/** Lays the grid out again if something that decides it has changed. */
function drawGrid() {
  const asked = JSON.stringify([view.layout, view.rows, view.cols, [...view.pick], [...view.hide].map(([n, set]) => [n, [...set]]),
    view.size, view.sort, [...view.where], view.find, view.favourites, view.status, view.colour, scroller.clientWidth,
    view.sort || view.where.size || view.favourites ? formatRatings() : '']);
  if (asked !== signature) {
    signature = asked;
    plan = arrange(scroller.clientWidth);
    if (!focused || !plan.places.has(focused)) focused = plan.some[0]?.id || null;
    styled(scroller, { '--head': `${plan.head}px`, '--side': `${plan.side}px`, '--tile': `${plan.tile.width}px`,
      '--high': `${plan.tile.height}px` });
    styled(byId('canvas'), { width: `${plan.side + plan.width + GAP}px`, height: `${plan.head + plan.height + GAP}px` });
    for (const figure of figures.values()) figure.remove();
    figures.clear();
    legend();
  }
  byId('none').hidden = plan.some.length > 0;
  fill();
}

/** Brings into the document what is in view, and takes out what is not. */
function fill() {
  const left = scroller.scrollLeft;
  const top = scroller.scrollTop;
  const margin = plan.tile.height;
  const span = (starts, from, to, count) => [lineAt(starts, Math.max(0, from)), Math.min(count - 1, lineAt(starts, Math.max(0, to)))];
  const [r0, r1] = span(plan.ys, top - margin, top + scroller.clientHeight - plan.head + margin, plan.rows.length);
  const [c0, c1] = span(plan.xs, left, left + scroller.clientWidth - plan.side, plan.cols.length);
  const wanted = new Set();
  const added = [];
  for (let row = r0; row <= r1; row += 1) {
    for (let col = c0; col <= c1; col += 1) {
      const cell = plan.at.get(`${row},${col}`);
      if (!cell) continue;
      wanted.add(cell.id);
      if (!figures.has(cell.id)) {
        figures.set(cell.id, figureOf(cell, row, col));
        added.push(figures.get(cell.id));
      }
    }
  }
  for (const [id, figure] of figures) {
    if (wanted.has(id) || figure.contains(doc.activeElement)) continue;
    figure.remove();
    figures.delete(id);
  }
  body.append(...added);
  for (const [id, figure] of figures) dress(figure, cellOf.get(id), wanted);
  drawHeads(r0, r1, c0, c1);
}

function figureOf(cell, row, col) {
  const press = h('button', {
    type: 'button', class: 'press', 'data-id': cell.id,
    onclick: (event) => (event.shiftKey || event.ctrlKey || event.metaKey ? pin(cell) : open(cell)),
    onfocus: () => { focused = cell.id; },
    onpointerenter: () => play(press, cell), onpointerleave: () => rest(press, cell),
  }, faceOf(cell));
  const figure = h('figure', { class: 'cell' }, press);
  if (plan.caption && !plan.banner) {
    figure.append(h('figcaption', {}, traits(cell).slice(0, 4).map(([key, value]) => h('span', { title: key }, label(value, 60)))));
  }
  return styled(figure, { transform: `translate(${plan.xs[col]}px, ${plan.ys[row] + (plan.banner ? plan.caption : 0)}px)` });
}

/** A thumbnail, the image where cells are large, or the reason why there is none. */
function faceOf(cell) {
  if (cell.status !== 'done' || !(cell.thumb || cell.file)) {
    return h('span', { class: `blank ${cell.status}` }, h('b', {}, cell.status),
      cell.reason ? h('span', { class: 'reason' }, label(cell.reason, 200)) : null);
  }
  const large = view.size * devicePixelRatio > 320 && cell.file && !cell.video && !cell.frames;
  return h('img', { alt: '', decoding: 'async', draggable: false, src: (large && cell.file) || cell.thumb || cell.file,
    class: cell.width && cell.width <= 96 ? 'small' : null });
}

/** Animations run under the pointer. */
function play(press, cell) {
  if (!(cell.video || cell.frames > 1) || cell.status !== 'done' || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  const still = press.querySelector('img');
  if (!still) return;
  if (cell.video) still.after(h('video', { src: cell.file, muted: true, loop: true, autoplay: true, playsInline: true }));
  else still.src = cell.file;
}
function rest(press, cell) {
  press.querySelector('video')?.remove();
  const still = press.querySelector('img');
  if (still && cell.frames > 1 && cell.thumb && !cell.video) still.src = cell.thumb;
}

/** What may change while a figure stands: its score, its rating, its mark. */
function dress(figure, cell, wanted) {
  const press = figure.firstChild;
  const { stars, favourite } = rating(cell);
  const value = view.colour ? score(cell, view.colour) : undefined;
  const at = view.with.indexOf(cell.id);
  const state = JSON.stringify([stars, favourite, value, at, colours]);
  press.tabIndex = cell.id === focused || (!wanted.has(focused) && cell.id === [...wanted][0]) ? 0 : -1;
  if (press.dataset.state === state) return;
  press.dataset.state = state;
  press.setAttribute('aria-label', [spoken(cell), cell.status === 'done' ? '' : `${cell.status}: ${plain(cell.reason || '', 200)}`,
    value === undefined ? '' : `${plain(view.colour)} ${brief(value)}`, stars ? `${stars} stars` : '', favourite ? 'favourite' : '',
    at < 0 ? '' : 'marked'].filter(Boolean).join(', '));
  for (const old of press.querySelectorAll('.badge')) old.remove();
  figure.classList.toggle('marked', at >= 0);
  if (cell.video || cell.frames > 1) press.append(h('span', { class: 'badge film' }, '▸'));
  if (stars || favourite) press.append(h('span', { class: 'badge given' }, '★'.repeat(stars || 0), favourite ? '♥\ufe0e' : ''));
  if (value !== undefined) {
    press.append(h('span', { class: 'badge worth' }, styled(h('i'), { background: colourOf(value) }), brief(value)));
    press.append(styled(h('span', { class: 'badge tint' }), { background: colourOf(value) }));
  }
}

/** Headers: outer ones span their group, and their text stays in view. */
function drawHeads(r0, r1, c0, c1) {
  const cols = runs(plan.cols, c0, c1).map(([level, from, to, at]) => {
    const x = plan.xs[from];
    return styled(h('div', { class: 'head', title: plain(axes[view.cols[level]].values[at].text, 500) },
      h('span', {}, h('em', {}, label(axes[view.cols[level]].label)), label(axes[view.cols[level]].values[at].text, 200))),
    { left: `${x}px`, top: `${level * 30 + 3}px`, width: `${plan.xs[to] + plan.tile.width - x}px` });
  });
  const widths = sides();
  const rows = plan.banner ? banners(r0, r1) : runs(plan.rows, r0, r1).map(([level, from, to, at]) => {
    const y = plan.ys[from];
    return styled(h('div', { class: 'head', title: plain(axes[view.rows[level]].values[at].text, 500) },
      h('span', {}, h('em', {}, label(axes[view.rows[level]].label)), label(axes[view.rows[level]].values[at].text, 400))),
    { top: `${y}px`, left: `${widths.slice(0, level).reduce((all, one) => all + one, 0)}px`, width: `${widths[level]}px`,
      height: `${plan.ys[to] + plan.tile.height - y}px` });
  });
  heads.replaceChildren(...cols);
  sidesNode.replaceChildren(...rows);
}

/** Neighbouring lines with one value, level by level: [level, first, last, value]. */
function runs(tuples, from, to) {
  const found = [];
  for (let level = 0; level < (tuples[0]?.length || 0); level += 1) {
    const key = (n) => tuples[n].slice(0, level + 1).join();
    for (let n = from; n <= to;) {
      let first = n;
      let last = n;
      while (first > 0 && key(first - 1) === key(n)) first -= 1;
      while (last + 1 < tuples.length && key(last + 1) === key(n)) last += 1;
      found.push([level, first, last, tuples[n][level]]);
      n = last + 1;
    }
  }
  return found;
}

/** On a narrow screen a row's header stands above it. */
function banners(r0, r1) {
  const found = [];
  for (let row = r0; row <= r1; row += 1) {
    found.push(styled(h('div', { class: 'head banner' }, h('span', {}, view.rows.map((n, level) => [
      h('em', {}, label(axes[n].label)), label(axes[n].values[plan.rows[row][level]].text, 200), ' ']))),
    { top: `${plan.ys[row]}px`, width: `${scroller.clientWidth - 16}px` }));
  }
  return found;
}

/** Moves the focus, and what is in view with it. */
function walkGrid(rows, cols) {
  if (!focused) return;
  let [row, col] = plan.places.get(focused);
  do {
    row += rows;
    col += cols;
    if (view.layout === 'wall' && cols && (col < 0 || col >= plan.cols.length)) {
      row += cols;
      col = cols > 0 ? 0 : plan.cols.length - 1;
    }
    if (row < 0 || col < 0 || row >= plan.rows.length || col >= plan.cols.length) return;
  } while (!plan.at.has(`${row},${col}`) && view.layout === 'grid');
  const cell = plan.at.get(`${row},${col}`);
  if (cell) focusCell(cell);
}

function focusCell(cell) {
  const [row, col] = plan.places.get(cell.id) || [0, 0];
  const near = (start, from, length, room) => (start < from ? start : Math.max(from, start + length - room));
  scroller.scrollTop = near(plan.ys[row], scroller.scrollTop, plan.tile.height + plan.caption + GAP, scroller.clientHeight - plan.head);
  scroller.scrollLeft = near(plan.xs[col], scroller.scrollLeft, plan.tile.width + GAP, scroller.clientWidth - plan.side);
  focused = cell.id;
  fill();
  figures.get(cell.id)?.firstChild.focus({ preventScroll: true });
}

scroller.addEventListener('scroll', () => requestAnimationFrame(() => plan && fill()), { passive: true });
new ResizeObserver(() => { if (view.tab === 'grid') drawGrid(); }).observe(scroller);
