// Up to four images at one scale: beside each other, one over the other with a slider, or their difference.
const stage = byId('stage');
const lens = { scale: 1, x: 0, y: 0 };

/** The images that are shown; the cell itself comes last where two lie over each other. */
function shown(cell) {
  if (view.mode === 'one') return [cell];
  const others = view.with.filter((id) => id !== cell.id).map((id) => cellOf.get(id));
  if (!others.length) others.push(...[reference(cell)].filter(Boolean));
  return view.mode === 'side' ? [cell, ...others] : [...others.slice(0, 1), cell];
}

/** Keeps the elements while the arrangement stays, so that an image is replaced in place and flickers. */
function drawStage(cell) {
  const some = shown(cell);
  const over = some.length === 2 && view.mode !== 'side' ? view.mode : '';
  const form = `${over || 'side'} ${some.length}`;
  if (stage.dataset.form !== form) {
    const layers = some.map(() => h('div', { class: 'layer' }));
    stage.replaceChildren(...(over ? [h('div', { class: 'pane' }, layers, over === 'slider' && handle())] : layers.map((layer) => h('div', { class: 'pane' }, layer))));
    stage.dataset.form = form;
  }
  const layers = stage.querySelectorAll('.layer');
  some.forEach((one, n) => fillLayer(layers[n], one, apart(one, ...some)));
  styled(layers[0], { 'clip-path': over === 'slider' ? `inset(0 ${100 - view.split}% 0 0)` : 'none' });
  if (over === 'slider') {
    styled(layers[1], { 'clip-path': `inset(0 0 0 ${view.split}%)` });
    styled(stage.querySelector('.handle'), { left: `${view.split}%` });
  }
  styled(stage.firstChild, { filter: over === 'difference' ? `brightness(${view.gain})` : 'none' });
  look();
  preload(cell);
}

/** Shows a cell's image, or why there is none, and what tells it from the one beside it. */
function fillLayer(layer, cell, tag) {
  const kind = cell.status !== 'done' || !cell.file ? 'blank' : cell.video ? 'video' : 'img';
  if (layer.dataset.kind !== kind || kind === 'blank') {
    layer.dataset.kind = kind;
    const props = kind === 'video' ? { muted: true, loop: true, autoplay: !stillOnly(), controls: stillOnly(), playsInline: true } : { draggable: 'false' };
    layer.replaceChildren(kind === 'blank' ? h('div', { class: 'blank' }, h('b', {}, cell.status), label(cell.reason || ''))
      : h(kind, { class: 'image', ...props }), h('span', { class: 'tag' }));
  }
  const image = layer.querySelector('.image');
  if (image && image.getAttribute('src') !== cell.file) image.setAttribute('src', cell.file);
  image?.setAttribute(kind === 'img' ? 'alt' : 'aria-label', spoken(cell));
  if (image) fit(image, layer, cell);
  image?.classList.toggle('pixels', Boolean(cell.width) && layer.clientWidth * lens.scale > 3 * cell.width);
  layer.lastChild.replaceChildren(tag ? label(tag, 80) : '');
}

/** Gives an image whole pixels, or the difference of two equal ones would have edges. */
function fit(image, layer, { width, height }) {
  const [w, h_] = [layer.clientWidth, layer.clientHeight];
  const share = width && height ? Math.min(w / width, h_ / height) : 0;
  const [across, high] = share ? [Math.round(width * share), Math.round(height * share)] : [w, h_];
  styled(image, { width: `${across}px`, height: `${high}px`, left: `${(w - across) >> 1}px`, top: `${(h_ - high) >> 1}px` });
}

function handle() {
  return h('div', { class: 'handle',
    onpointerdown: (event) => { event.stopPropagation(); event.currentTarget.setPointerCapture(event.pointerId); },
    onpointermove: (event) => {
      const box = stage.firstChild.getBoundingClientRect();
      if (event.currentTarget.hasPointerCapture(event.pointerId)) show({ split: Math.round(clamp((100 * (event.clientX - box.left)) / box.width, 0, 100)) });
    } }, h('span', {}, '⇔'));
}

/** Loads what the arrow keys may show next. */
const loaded = new Set();
function preload(cell) {
  for (const next of [walkAxis(), riseAxis()].flatMap((n) => [along(cell, n, 1), along(cell, n, -1)])) {
    if (!next?.file || next.video || loaded.has(next.file)) continue;
    loaded.add(next.file);
    new Image().src = next.file;
  }
}

function look() {
  for (const image of stage.querySelectorAll('.image')) {
    const { clientWidth, clientHeight } = image.parentNode;
    styled(image, { transform: `translate(${lens.x * clientWidth}px, ${lens.y * clientHeight}px) scale(${lens.scale})` });
  }
  styled(stage, { 'touch-action': lens.scale > 1 ? 'none' : 'pan-y' }); // a finger scrolls on to the settings
  byId('zoom').textContent = `${Math.round(lens.scale * 100)} %`;
}

/** Moves to a scale and a place, in fractions of a pane; all panes follow. */
function aim(scaled, x, y) {
  const edge = (scaled - 1) / 2;
  Object.assign(lens, { scale: scaled, x: clamp(x, -edge, edge), y: clamp(y, -edge, edge) });
  look();
}
const unzoom = () => aim(1, 0, 0);

/** Zooms around a point, in fractions of the pane from its centre. */
function zoom(factor, x = 0, y = 0) {
  const scaled = clamp(lens.scale * factor, 1, 32);
  aim(scaled, x - ((x - lens.x) * scaled) / lens.scale, y - ((y - lens.y) * scaled) / lens.scale);
}

function spot(event) {
  const box = (event.target.closest('.pane') || stage.firstChild).getBoundingClientRect();
  return [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5];
}

new ResizeObserver(() => view.cell && draw()).observe(stage);
stage.addEventListener('wheel', (event) => {
  event.preventDefault();
  zoom(Math.exp(-clamp(event.deltaY, -100, 100) / 250), ...spot(event));
}, { passive: false });
stage.addEventListener('dblclick', (event) => (lens.scale > 1 ? unzoom() : zoom(4, ...spot(event))));

const pointers = new Map();
let began = null;
stage.addEventListener('pointerdown', (event) => {
  if (event.target.closest('video[controls]')) return;
  pointers.set(event.pointerId, event);
  began = event;
  stage.setPointerCapture(event.pointerId);
});
stage.addEventListener('pointermove', (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const box = stage.firstChild.getBoundingClientRect();
  const other = [...pointers.values()].find((one) => one.pointerId !== event.pointerId);
  const far = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
  if (other) zoom(far(event) / far(before));
  aim(lens.scale, lens.x + (event.clientX - before.clientX) / box.width / pointers.size, lens.y + (event.clientY - before.clientY) / box.height / pointers.size);
  pointers.set(event.pointerId, event);
});
for (const name of ['pointerup', 'pointercancel']) {
  stage.addEventListener(name, (event) => {
    const swipe = name === 'pointerup' && pointers.size === 1 && lens.scale === 1 && event.pointerType === 'touch';
    if (!pointers.delete(event.pointerId)) return;
    const [x, y] = [event.clientX - began.clientX, event.clientY - began.clientY];
    if (swipe && Math.abs(x) > 40 && Math.abs(x) > 2 * Math.abs(y)) walk(walkAxis(), x < 0 ? 1 : -1);
  });
}
