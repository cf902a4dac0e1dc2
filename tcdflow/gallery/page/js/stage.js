// Up to four images at one scale: beside each other, one over the other with a slider, or their difference.
const stage = byId('stage');
const lens = { scale: 1, x: 0, y: 0 };

/** The images that are shown: the cell itself last where two lie over each other. */
function shown(cell) {
  const others = view.with.filter((id) => id !== cell.id).map((id) => cellOf.get(id));
  if (view.mode === 'side') return [cell, ...(others.length ? others : [neighbour(cell)])].filter(Boolean);
  if (view.mode === 'one') return [cell];
  return [others[0] || neighbour(cell), cell].filter(Boolean);
}

/** Keeps the elements where the arrangement stays, so that an image is replaced in place and flickers. */
function drawStage(cell) {
  const some = shown(cell);
  const over = (view.mode === 'slider' || view.mode === 'difference') && some.length === 2;
  const form = `${over ? view.mode : some.length > 1 ? 'side' : 'one'} ${some.length}`;
  if (stage.dataset.form !== form) {
    stage.dataset.form = form;
    const layers = some.map(() => h('div', { class: 'layer' }));
    stage.replaceChildren(...(over ? [h('div', { class: 'pane' }, layers, view.mode === 'slider' ? handle() : null)]
      : layers.map((layer) => h('div', { class: 'pane' }, layer))));
  }
  const layers = [...stage.querySelectorAll('.layer')];
  some.forEach((one, n) => fillLayer(layers[n], one, some.length > 1 && view.mode !== 'difference'));
  if (over && view.mode === 'slider') {
    layers[0].style.clipPath = `inset(0 ${100 - view.split}% 0 0)`;
    layers[1].style.clipPath = `inset(0 0 0 ${view.split}%)`;
    stage.querySelector('.handle').style.left = `${view.split}%`;
  }
  stage.firstChild.style.filter = over && view.mode === 'difference' ? `brightness(${view.gain})` : '';
  look();
  preload(cell);
}

function fillLayer(layer, cell, named) {
  const kind = cell.status !== 'done' || !cell.file ? 'blank' : cell.video ? 'video' : 'img';
  if (layer.dataset.kind !== kind || kind === 'blank') {
    layer.dataset.kind = kind;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    layer.replaceChildren(kind === 'blank' ? h('div', { class: 'blank' }, h('b', {}, cell.status), label(cell.reason || ''))
      : kind === 'video' ? h('video', { muted: true, loop: true, autoplay: !still, controls: still, playsInline: true, class: 'picture' })
        : h('img', { class: 'picture', draggable: false }), h('span', { class: 'tag' }));
  }
  const image = layer.querySelector('.picture');
  if (image && image.getAttribute('src') !== cell.file) image.setAttribute('src', cell.file);
  if (image) {
    image.setAttribute(kind === 'img' ? 'alt' : 'aria-label', spoken(cell));
    image.classList.toggle('pixels', Boolean(cell.width) && layer.clientWidth * lens.scale > 3 * cell.width);
  }
  layer.lastChild.replaceChildren(named ? label(tagOf(cell), 80) : '');
}

/** What tells this image from the one beside it. */
function tagOf(cell) {
  const others = shown(cellOf.get(view.cell)).filter((other) => other !== cell);
  const parts = wide.filter((axis) => others.some((other) => other.at[axis.n] !== cell.at[axis.n]))
    .map((axis) => `${axis.label} ${valueOf(cell, axis)}`);
  return parts.join(' · ');
}

function handle() {
  const drag = (event) => {
    const box = stage.firstChild.getBoundingClientRect();
    show({ split: Math.round(clamp(((event.clientX - box.left) / box.width) * 100, 0, 100)) });
  };
  return h('div', { class: 'handle', onpointerdown: (event) => {
    event.stopPropagation();
    event.currentTarget.setPointerCapture(event.pointerId);
  }, onpointermove: (event) => { if (event.currentTarget.hasPointerCapture(event.pointerId)) drag(event); } }, h('span', {}, '⇔'));
}

/** Fetches what the arrow keys may show next. */
const fetched = new Set();
function preload(cell) {
  for (const n of [view.walk, view.rise]) {
    for (const step of [1, -1]) {
      const next = n === null ? null : along(cell, n, step);
      if (!next?.file || next.video || fetched.has(next.file)) continue;
      fetched.add(next.file);
      new Image().src = next.file;
    }
  }
}

function look() {
  for (const image of stage.querySelectorAll('.picture')) {
    image.style.transform = `translate(${lens.x * 100}%, ${lens.y * 100}%) scale(${lens.scale})`;
  }
  byId('zoom').textContent = `${Math.round(lens.scale * 100)} %`;
}

/** Zooms around a point, given as fractions of the pane from its centre. */
function zoom(factor, x = 0, y = 0) {
  const scale = clamp(lens.scale * factor, 1, 32);
  const share = scale / lens.scale;
  lens.x = clamp(x - (x - lens.x) * share, -(scale - 1) / 2, (scale - 1) / 2);
  lens.y = clamp(y - (y - lens.y) * share, -(scale - 1) / 2, (scale - 1) / 2);
  lens.scale = scale;
  look();
}
function pan(x, y) {
  lens.x = clamp(lens.x + x, -(lens.scale - 1) / 2, (lens.scale - 1) / 2);
  lens.y = clamp(lens.y + y, -(lens.scale - 1) / 2, (lens.scale - 1) / 2);
  look();
}
const unzoom = () => { Object.assign(lens, { scale: 1, x: 0, y: 0 }); look(); };

/** A place in the pane under the pointer, from its centre. */
function spot(event) {
  const pane = event.target.closest('.pane') || stage.firstChild;
  const box = pane.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5, box];
}

stage.addEventListener('wheel', (event) => {
  event.preventDefault();
  const [x, y] = spot(event);
  zoom(Math.exp(-clamp(event.deltaY, -100, 100) / 250), x, y);
}, { passive: false });
stage.addEventListener('dblclick', (event) => {
  const [x, y] = spot(event);
  if (lens.scale > 1) unzoom();
  else zoom(4, x, y);
});

const pointers = new Map();
let began = null;
stage.addEventListener('pointerdown', (event) => {
  if (event.target.closest('video[controls]')) return;
  pointers.set(event.pointerId, event);
  began = { x: event.clientX, y: event.clientY };
  stage.setPointerCapture(event.pointerId);
});
stage.addEventListener('pointermove', (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const box = stage.firstChild.getBoundingClientRect();
  if (pointers.size === 2) {
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, one]) => one);
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    zoom(apart(event) / apart(before));
  }
  pan((event.clientX - before.clientX) / box.width / pointers.size, (event.clientY - before.clientY) / box.height / pointers.size);
  pointers.set(event.pointerId, event);
});
for (const name of ['pointerup', 'pointercancel']) {
  stage.addEventListener(name, (event) => {
    const single = pointers.size === 1 && lens.scale === 1 && event.pointerType === 'touch' && began;
    pointers.delete(event.pointerId);
    if (!single || name === 'pointercancel') return;
    const [x, y] = [event.clientX - began.x, event.clientY - began.y];
    if (Math.abs(x) > 40 && Math.abs(x) > 2 * Math.abs(y)) walk(view.walk, x < 0 ? 1 : -1);
  });
}
