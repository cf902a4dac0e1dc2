// One image, full size. The arrow keys change it in place along two of the axes.
const single = byId('single');
const ORDER = -1; // stands for an axis: the order of the wall

/** Opens a cell. The axes that the arrows walk are those of the grid. */
function open(cell) {
  focused = cell.id;
  show({ cell: cell.id, mode: view.with.length && view.mode === 'one' ? 'side' : view.mode }, true);
}

function close() {
  if (!view.cell) return;
  if (history.state?.opened) history.back();
  else show({ cell: '' });
}

/** The next cell along an axis, or in the order of the wall. */
function along(cell, n, step) {
  if (n !== ORDER) return beside(cell, n, step);
  const order = plan?.some || chosen();
  const at = order.indexOf(cell);
  return at < 0 ? null : order[at + step] || null;
}

function walk(n, step) {
  const next = n === null ? null : along(cellOf.get(view.cell), n, step);
  if (!next) return;
  focused = next.id;
  show({ cell: next.id });
}

/** What this cell is held against: the first marked one, or the one before it along the arrows' axis. */
function neighbour(cell) {
  const n = view.walk;
  return n === null ? null : along(cell, n, -1) || along(cell, n, 1);
}
function reference(cell) {
  const marked = view.with.find((id) => id !== cell.id);
  return marked ? cellOf.get(marked) : neighbour(cell);
}

/** Marks a cell for comparison, or takes the mark away. */
function pin(cell) {
  const there = view.with.includes(cell.id);
  if (!there && view.with.length >= 3) say('Three are marked already, and the open one is the fourth');
  else show({ with: there ? view.with.filter((id) => id !== cell.id) : [...view.with, cell.id] });
}

function axesOfArrows() {
  const [col, row] = [view.cols[0], view.rows[0]];
  const first = view.layout === 'wall' ? ORDER : col ?? row ?? wide[0]?.n ?? null;
  if (view.walk === null) view.walk = first;
  if (view.rise === null) view.rise = [row, ...wide.map((axis) => axis.n)].find((n) => n !== undefined && n !== view.walk) ?? null;
}

function turn(which) {
  const known = [...wide.map((axis) => axis.n), ...(view.layout === 'wall' ? [ORDER] : [])];
  if (!known.length) return;
  show({ [which]: known[(known.indexOf(view[which]) + 1) % known.length] });
}

function drawSingle() {
  const cell = cellOf.get(view.cell);
  if (!cell) {
    if (single.open) {
      single.close();
      if (view.tab === 'grid') focusCell(cellOf.get(focused));
    }
    return;
  }
  axesOfArrows();
  if (!single.open) {
    unzoom();
    single.showModal();
  }
  drawWalks(cell);
  drawModes(cell);
  drawStage(cell);
  drawStrip(cell);
  drawPanel(cell);
}

function drawWalks(cell) {
  const mark = (n) => (view.walk === n ? '←→' : view.rise === n ? '↑↓' : '');
  const step = (n, way, sign, name) => button(sign, `${name}: ${way < 0 ? 'back' : 'on'}`, () => walk(n, way),
    { disabled: !along(cell, n, way), 'data-key': `walk-${n}-${way}` });
  const one = (n, name, value) => h('span', { class: `walk ${mark(n) ? 'active' : ''}` },
    h('button', { type: 'button', class: 'name', title: 'Walk this with ← and →', 'data-key': `take-${n}`,
      onclick: () => show(view.rise === n ? { walk: n, rise: view.walk } : { walk: n }) }, h('em', {}, label(name), ' ', mark(n)), label(value, 80)),
    step(n, -1, '‹', name), step(n, 1, '›', name));
  const order = plan?.some.indexOf(cell);
  refill(byId('walks'), view.layout === 'wall' && plan && order >= 0 && plan.some.length > 1
    ? one(ORDER, 'order', `${order + 1} of ${plan.some.length}`) : null,
  wide.map((axis) => one(axis.n, axis.label, valueOf(cell, axis))));
}

function drawModes(cell) {
  const names = { one: 'One', side: 'Side by side', slider: 'Slider', difference: 'Difference' };
  const other = view.mode !== 'one' && reference(cell);
  refill(byId('modes'),
    h('div', { class: 'segments', role: 'group', 'aria-label': 'How to compare (key m)' }, MODES.map((mode) => h('button', {
      type: 'button', 'aria-pressed': String(view.mode === mode), 'data-key': `mode-${mode}`, onclick: () => show({ mode }),
    }, names[mode]))),
    view.mode === 'slider' && other ? h('label', { class: 'lane' }, h('span', { class: 'soft' }, 'Slider'), h('input', {
      type: 'range', min: 0, max: 100, value: view.split, 'data-key': 'split', 'aria-label': 'Slider between two images',
      oninput: (event) => show({ split: Number(event.target.value) }),
    })) : null,
    view.mode === 'difference' && other ? h('label', { class: 'lane' }, h('span', { class: 'soft' }, 'Gain'),
      select('gain', 'Gain of the difference', [1, 2, 4, 8, 16, 64].map((gain) => [gain, `× ${gain}`]), view.gain,
        (gain) => show({ gain: Number(gain) }))) : null,
    button(view.with.includes(cell.id) ? '− Unmark' : '+ Mark', 'Mark this image for comparison (key c)', () => pin(cell),
      { 'data-key': 'pin', 'aria-pressed': String(view.with.includes(cell.id)) }),
    view.with.length ? h('span', { class: 'soft' }, `${view.with.length} marked`,
      ' ', button('clear', 'Clear the marks', () => show({ with: [] }), { class: 'link', 'data-key': 'unmark' })) : null);
}

/** Thumbnails of all that the arrows reach. */
function drawStrip(cell) {
  const before = [];
  const after = [];
  for (let next = along(cell, view.walk, -1); view.walk !== null && next && before.length < 12; next = along(next, view.walk, -1)) before.unshift(next);
  for (let next = along(cell, view.walk, 1); view.walk !== null && next && after.length < 12; next = along(next, view.walk, 1)) after.push(next);
  const some = [...before, cell, ...after];
  const node = byId('strip');
  node.hidden = some.length < 2;
  const caption = (one) => (view.walk === ORDER ? '' : valueOf(one, axes[view.walk]));
  node.replaceChildren(...(some.length < 2 ? [] : some.map((one) => h('button', {
    type: 'button', tabIndex: -1, 'aria-current': String(one === cell), 'aria-label': spoken(one), onclick: () => show({ cell: one.id }),
  }, one.thumb ? h('img', { alt: '', src: one.thumb }) : h('span', { class: 'blank' }, one.status), h('span', {}, label(caption(one), 24))))));
  const now = node.children[before.length];
  if (now) node.scrollLeft = now.offsetLeft - (node.clientWidth - now.offsetWidth) / 2;
}

let held = null;
/** While the space bar is held the reference is shown in place. */
function flicker(down) {
  const cell = cellOf.get(view.cell);
  const other = cell && reference(cell);
  if (down === Boolean(held) || !other || view.mode !== 'one') return;
  held = down ? other : null;
  const layer = stage.querySelector('.layer');
  fillLayer(layer, held || cell, false);
  layer.lastChild.replaceChildren(held ? label(differences(held, cell), 80) : '');
}
const differences = (one, other) => wide.filter((axis) => one.at[axis.n] !== other.at[axis.n])
  .map((axis) => `${axis.label} ${valueOf(one, axis)}`).join(' · ');

single.addEventListener('cancel', (event) => { event.preventDefault(); close(); });
