// The keyboard, and the sheet that lists it.
const help = byId('help');
const HELP = [
  ['Everywhere', [['?', 'this sheet'], ['g p b', 'images, plots, blind'], ['e', 'export ratings.json'], ['l', 'copy a link to this view']]],
  ['Images', [['← ↑ ↓ →', 'move'], ['Home End', 'first, last'], ['Enter', 'open'], ['s', 'swap rows and columns'], ['w', 'grid or wall'],
    ['[ ]', 'step the first selector'], ['+ −', 'larger, smaller'], ['/', 'search']]],
  ['An image, focused or open', [['1 … 5', 'rate'], ['0', 'no rating'], ['f', 'favourite'], ['c', 'mark for comparison'], ['v r o y', 'copy verify, rerun, overrides, YAML']]],
  ['One image', [['← →', 'walk the first axis in place'], ['↑ ↓', 'walk the second axis'], ['x X', 'choose those axes'], ['Space', 'hold: the image it is compared with'],
    ['m', 'one, side by side, slider, difference'], [', .', 'move the slider'], ['+ − z', 'zoom in, out, reset'], ['Esc', 'back']]],
  ['Blind', [['← →', 'this one is better'], ['↓', 'no preference']]],
];

function drawHelp() {
  byId('help-keys').replaceChildren(...HELP.map(([title, keys]) => h('section', {}, h('h3', {}, title),
    h('dl', {}, keys.map(([some, what]) => [h('dt', {}, some.split(' ').map((one) => h('kbd', {}, one))), h('dd', {}, what)])))));
  help.showModal();
}

const tabTo = (tab) => show({ tab, cell: '' });

function search() {
  doc.querySelector('[data-key="filter"]').open = true;
  doc.querySelector('[data-key="find"]').focus();
}

/** The first or the last cell as it is laid out. */
function edge(row, col) {
  const cell = plan.at.get(`${row},${col}`);
  if (!cell && col > 0) edge(row, col - 1);
  else focusCell(cell);
}

const always = { '?': drawHelp, e: exportRatings, l: () => copy(location.href, 'Link'), g: () => tabTo('grid'), p: () => tabTo('plots'), b: () => tabTo('blind') };
const inGrid = {
  ArrowLeft: () => walkGrid(0, -1), ArrowRight: () => walkGrid(0, 1), ArrowUp: () => walkGrid(-1, 0), ArrowDown: () => walkGrid(1, 0),
  Home: () => edge(0, 0), End: () => edge(plan.rows.length - 1, plan.cols.length - 1), '/': search,
  s: () => view.layout === 'grid' && swap(), w: () => wide.length > 1 && show({ layout: view.layout === 'grid' ? 'wall' : 'grid', sort: '' }),
  '[': () => selectors().length && stepPick(selectors()[0], -1), ']': () => selectors().length && stepPick(selectors()[0], 1),
  '+': () => show({ size: Math.min(SIZES[1], view.size + 32) }), '-': () => show({ size: Math.max(SIZES[0], view.size - 32) }),
};
const inSingle = {
  ArrowLeft: () => walk(walkAxis(), -1), ArrowRight: () => walk(walkAxis(), 1), ArrowUp: () => walk(riseAxis(), -1), ArrowDown: () => walk(riseAxis(), 1),
  x: () => turn('walk', walkAxis()), X: () => turn('rise', riseAxis()), m: () => show({ mode: MODES[(MODES.indexOf(view.mode) + 1) % MODES.length] }),
  ',': () => show({ split: Math.max(0, view.split - 5) }), '.': () => show({ split: Math.min(100, view.split + 5) }),
  '+': () => zoom(1.5), '-': () => zoom(1 / 1.5), z: unzoom, ' ': () => flicker(true),
};
const inBlind = { ArrowLeft: () => pair && choose(pair[0]), ArrowRight: () => pair && choose(pair[1]), ArrowDown: () => choose(null) };

/** Keys that concern the image that is open or focused. */
function onImage(key) {
  const cell = cellOf.get(view.cell || (view.tab === 'grid' && focused));
  if (!cell) return false;
  if (/^[0-5]$/.test(key)) rate(cell, +key);
  else if (key === 'f') favour(cell);
  else if (key === 'c') mark(cell);
  else if (COMMANDS.has(key)) copyCommand(cell, key);
  else return false;
  return true;
}

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const { key, target } = event;
  if (key === 'Escape') closeMenus();
  const typed = target.matches?.('input:not([type="checkbox"]), select, textarea') || (target.matches?.('summary, pre') && /^(Arrow|Home|End)/.test(key));
  if (typed || (/^( |Enter)$/.test(key) && target.matches?.('button, a, summary, input'))) return;
  const here = view.cell ? inSingle : { grid: inGrid, blind: inBlind, plots: {} }[view.tab];
  const does = [here, always].find((some) => Object.hasOwn(some, key));
  if (does) does[key]();
  else if (!onImage(key)) return;
  event.preventDefault();
});
addEventListener('keyup', (event) => event.key === ' ' && flicker(false));
addEventListener('blur', () => flicker(false));
