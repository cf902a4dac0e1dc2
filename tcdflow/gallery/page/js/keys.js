// The keyboard, and the sheet that lists it.
const help = byId('help');
const HELP = [
  ['Everywhere', [['?', 'this sheet'], ['g p b', 'grid, plots, blind'], ['e', 'export ratings.json'], ['l', 'copy a link to this view'], ['/', 'search']]],
  ['Grid', [['← ↑ ↓ →', 'move'], ['Home End', 'first, last'], ['Enter', 'open'], ['s', 'swap rows and columns'], ['w', 'grid or wall'],
    ['[ ]', 'step the first selector'], ['+ −', 'larger, smaller cells']]],
  ['One image', [['← →', 'walk the first axis in place'], ['↑ ↓', 'walk the second axis'], ['x X', 'choose those axes'], ['Space', 'hold: the image it is compared with'],
    ['m', 'one, side by side, slider, difference'], [', .', 'move the slider'], ['+ − z', 'zoom in, out, reset'], ['v r o y', 'copy verify, rerun, overrides, YAML'], ['Esc', 'back']]],
  ['An image, anywhere', [['1 … 5', 'rate'], ['0', 'no rating'], ['f', 'favourite'], ['c', 'mark for comparison']]],
  ['Blind', [['← →', 'this one is better'], ['↓', 'no preference']]],
];

function drawHelp() {
  byId('help-keys').replaceChildren(...HELP.map(([title, keys]) => h('section', {}, h('h3', {}, title), h('dl', {}, keys.map(([key, what]) => [
    h('dt', {}, key.split(' ').map((one) => h('kbd', {}, one))), h('dd', {}, what)])))));
  help.showModal();
}

const tabTo = (tab) => { if (view.tab !== tab || view.cell) show({ tab, cell: '' }); };

const always = {
  '?': drawHelp, e: exportRatings, l: () => copy(location.href, 'Link'), g: () => tabTo('grid'), p: () => tabTo('plots'), b: () => tabTo('blind'),
};
const inGrid = {
  ArrowLeft: () => walkGrid(0, -1), ArrowRight: () => walkGrid(0, 1), ArrowUp: () => walkGrid(-1, 0), ArrowDown: () => walkGrid(1, 0),
  Home: () => plan.some.length && focusCell(edge(1)), End: () => plan.some.length && focusCell(edge(-1)),
  s: () => view.layout === 'grid' && swap(), w: () => wide.length > 1 && show({ layout: view.layout === 'grid' ? 'wall' : 'grid' }),
  '[': () => selectors().length && stepPick(selectors()[0], -1), ']': () => selectors().length && stepPick(selectors()[0], 1),
  '+': () => show({ size: Math.min(SIZES[1], view.size + 32) }), '-': () => show({ size: Math.max(SIZES[0], view.size - 32) }),
  '/': () => { byId('find').closest('details').open = true; byId('find').focus(); },
};
const inSingle = {
  ArrowLeft: () => walk(view.walk, -1), ArrowRight: () => walk(view.walk, 1), ArrowUp: () => walk(view.rise, -1), ArrowDown: () => walk(view.rise, 1),
  x: () => turn('walk'), X: () => turn('rise'), m: () => show({ mode: MODES[(MODES.indexOf(view.mode) + 1) % MODES.length] }),
  ',': () => show({ split: Math.max(0, view.split - 5) }), '.': () => show({ split: Math.min(100, view.split + 5) }),
  '+': () => zoom(1.5), '-': () => zoom(1 / 1.5), z: unzoom, ' ': () => flicker(true),
};
const inBlind = { ArrowLeft: () => pair && choose(pair[0]), ArrowRight: () => pair && choose(pair[1]), ArrowDown: () => choose(null) };

/** The first or the last cell as it is laid out. */
function edge(step) {
  const order = [...plan.some].sort((a, b) => plan.places.get(a.id)[0] - plan.places.get(b.id)[0] || plan.places.get(a.id)[1] - plan.places.get(b.id)[1]);
  return order.at(step > 0 ? 0 : -1);
}

/** Keys that concern the image that is open or focused. */
function onImage(key) {
  const cell = cellOf.get(view.cell || focused);
  if (!cell || (view.tab !== 'grid' && !view.cell)) return false;
  if (/^[0-5]$/.test(key)) rate(cell, Number(key));
  else if (key === 'f') favour(cell);
  else if (key === 'c') pin(cell);
  else if (COMMANDS.some(([, , one]) => one === key)) copyCommand(cell, COMMANDS.find(([, , one]) => one === key)[0]);
  else return false;
  return true;
}

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.key === 'Escape') closeMenus();
  const at = event.target.closest?.('input, select, textarea, summary, pre');
  const typing = at && !(at.type === 'checkbox') && (at.matches('input, select, textarea') || /^(Arrow|Home|End| |Enter)/.test(event.key));
  const pressed = event.target.closest?.('button, a, summary') && (event.key === ' ' || event.key === 'Enter');
  if (typing || (pressed && !(event.key === ' ' && view.cell && event.target.closest('#stage')))) return;
  const here = view.cell ? inSingle : view.tab === 'grid' ? inGrid : view.tab === 'blind' ? inBlind : {};
  const act = (Object.hasOwn(here, event.key) && here[event.key]) || (Object.hasOwn(always, event.key) && always[event.key]);
  if (act) act();
  else if (!onImage(event.key)) return;
  event.preventDefault();
});
addEventListener('keyup', (event) => { if (event.key === ' ') flicker(false); });
addEventListener('blur', () => flicker(false));
