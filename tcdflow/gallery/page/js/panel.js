// Beside the image: its rating, the commands that make it again, its scores, and its settings against another's.
let command = 'v';

function drawPanel(cell) {
  const other = reference(cell);
  const facts = [cell.width && `${cell.width} × ${cell.height}`, cell.frames > 1 && `${cell.frames} frames`, cell.seed !== null && `seed ${cell.seed}`,
    cell.seconds !== null && `${brief(cell.seconds)} s`];
  refill(byId('panel'),
    h('h2', { class: 'name', key: 'name' }, traits(cell).length ? traits(cell).map(([key, value]) => h('span', {}, h('em', {}, label(key)), label(value, 300))) : label(cell.name)),
    h('p', { class: 'soft' }, facts.filter(Boolean).join(' · ') || cell.status,
      cell.file && [' · ', h('a', { href: cell.file, target: '_blank', rel: 'noopener', key: 'file' }, 'open file')]),
    ratingButtons(cell), makeAgain(cell), scores(cell, other), settingsTable(cell, other));
}

function makeAgain(cell) {
  const possible = commandsOf(cell);
  const shown = possible.some(([key]) => key === command) ? command : possible[0][0];
  const [name, told, make] = COMMANDS.get(shown);
  return h('section', {}, h('h3', {}, 'Make it again'),
    segments('command', 'Form', possible.map(([key, [text]]) => [key, text]), shown, (key) => { command = key; draw(); }),
    h('pre', { tabindex: '0', 'aria-label': name, key: 'command', dir: 'ltr' }, plain(make(cell))),
    h('div', { class: 'line' }, soft(told), act('copy', 'Copy', () => copyCommand(cell, shown), { class: 'main', title: `Key ${shown}` })));
}

function scores(cell, other) {
  const some = metrics.filter((metric) => metric !== STARS && score(cell, metric.name) !== undefined);
  return some.length > 0 && h('section', {}, h('h3', {}, 'Scores'), h('table', {}, h('tbody', {}, some.map(({ name, description, better }) => {
    const value = score(cell, name);
    const change = other && score(other, name) !== undefined ? value - score(other, name) : 0;
    const good = better && ((change > 0) === (better === 'high') ? 'good' : 'bad');
    return h('tr', { title: plain(description) }, h('th', { scope: 'row' }, label(name)), h('td', {}, brief(value)),
      h('td', { class: good || 'soft' }, change ? `${change > 0 ? '+' : '−'}${brief(Math.abs(change))}` : ''));
  }))));
}

/** All settings; those that differ from the other image's come first, with both values. */
function settingsTable(cell, other) {
  const mine = settings(cell);
  const theirs = other ? settings(other) : mine;
  const keys = [...new Set([...mine.keys(), ...theirs.keys()])];
  const differs = keys.filter((key) => mine.get(key) !== theirs.get(key));
  const rows = (some) => h('table', { class: 'settings' }, h('tbody', {}, some.map((key) => {
    const value = h('div', { class: 'value' }, label(readable(mine.get(key))));
    const was = differs.includes(key) && h('div', { class: 'value was' }, soft('≠ '), label(readable(theirs.get(key))));
    return h('tr', { class: was ? 'differs' : null }, h('th', { scope: 'row' }, key.split(/(?<=[._])/).map((part) => [plain(part), h('wbr')])), h('td', {}, value, was));
  })));
  return h('section', {}, h('h3', {}, 'Settings', other && soft(' against ', label(apart(other, cell) || 'another run', 60))), differs.length > 0 && rows(differs),
    h('details', { key: 'same' }, h('summary', { key: 'same-menu' }, `${keys.length - differs.length} ${other ? 'equal' : ''} settings`), rows(keys.filter((key) => !differs.includes(key)))));
}
