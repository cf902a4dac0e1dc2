// One image, full size. The arrow keys change it in place along two of the axes.
const single = byId('single');

/** The axes that the arrows walk: those of the grid, unless others were chosen. */
const walkAxis = () => view.walk ?? (view.layout === 'wall' ? ORDER : view.cols[0] ?? view.rows[0] ?? wide[0]?.n ?? null);
const riseAxis = () => view.rise ?? [view.rows[0], ...wide.map((axis) => axis.n)].find((n) => n !== undefined && n !== walkAxis()) ?? null;

function open(cell) {
  focused = cell.id;
  show({ cell: cell.id, mode: view.with.length && view.mode === 'one' ? 'side' : view.mode }, true);
}

/** Back to the grid, at the place where the walk ended. */
function close() {
  const cell = cellOf.get(view.cell);
  const pick = new Map(view.pick);
  for (const axis of selectors()) if (picked(axis) !== null && picked(axis) !== cell.at[axis.n]) pick.set(axis.n, cell.at[axis.n]);
  show({ cell: '', pick });
}

/** The next cell along an axis, or in the order of the wall. */
function along(cell, n, step) {
  if (n === null) return null;
  if (n !== ORDER) return beside(cell, n, step);
  const order = plan?.some || chosen();
  const at = order.indexOf(cell);
  return at < 0 ? null : order[at + step] || null;
}

function walk(n, step) {
  const next = along(cellOf.get(view.cell), n, step);
  if (!next) return;
  focused = next.id;
  show({ cell: next.id });
}

/** What a cell is held against: the first marked one, or the one before it along the arrows' axis. */
function reference(cell) {
  const marked = view.with.find((id) => id !== cell.id);
  return cellOf.get(marked) || along(cell, walkAxis(), -1) || along(cell, walkAxis(), 1);
}

/** Marks a cell for comparison, or takes the mark away. */
function mark(cell) {
  const there = view.with.includes(cell.id);
  if (!there && view.with.length >= 3) say('Three are marked; with the one that is open they are four');
  else show({ with: there ? view.with.filter((id) => id !== cell.id) : [...view.with, cell.id] });
}

/** Chooses the next axis for a pair of arrows. */
function turn(which, now) {
  const known = [...wide.map((axis) => axis.n), ...(view.layout === 'wall' ? [ORDER] : [])];
  if (known.length) show({ [which]: known[(known.indexOf(now) + 1) % known.length] });
}

function drawSingle() {
  const cell = cellOf.get(view.cell);
  if (!cell) {
    if (!single.open) return;
    single.close();
    if (view.tab === 'grid') focusCell(cellOf.get(focused));
    return;
  }
  if (!single.open) {
    single.showModal();
    unzoom();
  }
  drawWalks(cell);
  drawModes(cell);
  drawStage(cell);
  drawStrip(cell);
  drawPanel(cell);
}

function drawWalks(cell) {
  const [across, up] = [walkAxis(), riseAxis()];
  const one = (n, name, value) => h('span', { class: n === across || n === up ? 'walk active' : 'walk' },
    act(`take-${n}`, [h('em', {}, label(name), n === across ? ' ←→' : n === up ? ' ↑↓' : ''), label(value, 80)],
      () => show(n === up ? { walk: n, rise: across } : { walk: n }), { class: 'name', title: 'Walk this with ← and →' }),
    [[-1, '‹', 'back'], [1, '›', 'on']].map(([step, face, way]) => sign(`walk-${n}${way}`, face, `${name}: one ${way}`, () => walk(n, step), { disabled: !along(cell, n, step) })));
  const order = view.layout === 'wall' && plan ? plan.some.indexOf(cell) : -1;
  refill(byId('walks'), order >= 0 && plan.some.length > 1 && one(ORDER, 'order', `${order + 1} of ${plan.some.length}`),
    wide.map((axis) => one(axis.n, axis.label, valueOf(cell, axis))));
}

function drawModes(cell) {
  const other = reference(cell);
  const marked = view.with.includes(cell.id);
  refill(byId('modes'),
    other && segments('mode', 'How to compare (key m)', [['one', 'One'], ['side', 'Side by side'], ['slider', 'Slider'], ['difference', 'Difference']], view.mode, (mode) => show({ mode })),
    other && view.mode === 'slider' && lane('Slider', h('input', { type: 'range', min: 0, max: 100, value: view.split, key: 'split',
      'aria-label': 'Slider between two images', oninput: (event) => show({ split: +event.target.value }) })),
    other && view.mode === 'difference' && lane('Gain', select('gain', 'Gain of the difference', [1, 2, 4, 8, 16, 64].map((gain) => [gain, `× ${gain}`]), view.gain,
      (gain) => show({ gain: +gain }))),
    cells.length > 1 && sign('mark', marked ? '− Unmark' : '+ Mark', 'Mark this image for comparison (key c)', () => mark(cell), { 'aria-pressed': `${marked}` }),
    view.with.length > 0 && h('span', {}, soft(`${view.with.length} marked `), act('unmark', 'clear', () => show({ with: [] }), { class: 'link' })));
}

/** Thumbnails of what the arrows reach. */
function drawStrip(cell) {
  const n = walkAxis();
  const reach = (step) => {
    const found = [];
    for (let next = along(cell, n, step); next && found.length < 12; next = along(next, n, step)) found.push(next);
    return found;
  };
  const before = reach(-1).reverse();
  const some = [...before, cell, ...reach(1)];
  const node = byId('strip');
  node.hidden = some.length < 2;
  node.replaceChildren(...some.map((one) => act(one.id, [one.thumb ? h('img', { alt: '', src: one.thumb }) : h('span', { class: 'blank' }, one.status),
    n >= 0 && n !== null && label(valueOf(one, axes[n]), 24)], () => show({ cell: one.id }), { 'aria-label': spoken(one), 'aria-current': `${one === cell}`, tabindex: '-1' })));
  const now = node.children[before.length];
  node.scrollLeft = now.offsetLeft - (node.clientWidth - now.offsetWidth) / 2;
}

let held = false;
/** While the space bar is held, the image that this one is compared with is shown in its place. */
function flicker(down) {
  const cell = cellOf.get(view.cell);
  const other = cell && reference(cell);
  if (down === held || !other || view.mode !== 'one') return;
  held = down;
  fillLayer(stage.querySelector('.layer'), down ? other : cell, down ? apart(other, cell) : '');
}

single.addEventListener('cancel', (event) => {
  event.preventDefault();
  close();
});
