// Beside the image: its rating, the commands that make it again, its scores, and its settings against another's.
let command = 'verify';

function drawPanel(cell) {
  const other = reference(cell);
  const facts = [cell.width ? `${cell.width} × ${cell.height}` : '', cell.frames > 1 ? `${cell.frames} frames` : '',
    cell.seed === null ? '' : `seed ${cell.seed}`, cell.seconds === null ? '' : `${brief(cell.seconds)} s`];
  refill(byId('panel'),
    h('h2', { class: 'name' }, traits(cell).length ? traits(cell).map(([key, value]) => h('span', {}, h('em', {}, label(key)), label(value, 300)))
      : label(cell.name)),
    h('p', { class: 'soft' }, facts.filter(Boolean).join(' · ') || cell.status,
      cell.file ? [' · ', h('a', { href: cell.file, target: '_blank', rel: 'noopener', 'data-key': 'file' }, 'open file')] : null),
    ratingButtons(cell), makeAgain(cell), scores(cell, other), settingsTable(cell, other));
}

function makeAgain(cell) {
  const [, title, key, told, make] = COMMANDS.find(([name]) => name === command);
  return h('section', {}, h('h3', {}, 'Make it again'),
    h('div', { class: 'segments', role: 'group', 'aria-label': 'Form' }, COMMANDS.map(([name, text]) => h('button', {
      type: 'button', 'aria-pressed': String(name === command), 'data-key': `command-${name}`,
      onclick: () => { command = name; draw(); },
    }, text))),
    h('pre', { tabIndex: 0, 'aria-label': title, 'data-scroll': 'command', 'data-key': 'command' }, plain(make(cell))),
    h('div', { class: 'line' }, h('span', { class: 'soft' }, told),
      h('button', { type: 'button', class: 'main', 'data-key': 'copy', title: `Key ${key}`, onclick: () => copy(make(cell), title) }, 'Copy')));
}

function scores(cell, other) {
  const some = metrics.filter((metric) => metric !== STARS && score(cell, metric.name) !== undefined);
  if (!some.length) return null;
  return h('section', {}, h('h3', {}, 'Scores'), h('table', {}, h('tbody', {}, some.map((metric) => {
    const value = score(cell, metric.name);
    const change = other && score(other, metric.name) !== undefined ? value - score(other, metric.name) : 0;
    const good = metric.better && change ? (change > 0) === (metric.better === 'high') : null;
    return h('tr', { title: plain(metric.description) }, h('th', { scope: 'row' }, label(metric.name)), h('td', {}, brief(value)),
      h('td', { class: good === null ? 'soft' : good ? 'good' : 'bad' }, change ? `${change > 0 ? '+' : '−'}${brief(Math.abs(change))}` : ''));
  }))));
}

/** All settings; those that differ from the other image's come first, with both values. */
function settingsTable(cell, other) {
  const mine = settings(cell);
  const theirs = other ? settings(other) : mine;
  const keys = [...new Set([...mine.keys(), ...theirs.keys()])];
  const differs = keys.filter((key) => mine.get(key) !== theirs.get(key));
  const rows = (some) => some.map((key) => {
    const apart = mine.get(key) !== theirs.get(key);
    return h('tr', { class: apart ? 'differs' : null }, h('th', { scope: 'row' }, label(key)), h('td', {}, h('div', { class: 'value' },
      label(readable(mine.get(key)))), apart ? h('div', { class: 'value was' }, h('span', { class: 'soft' }, 'there '), label(readable(theirs.get(key)))) : null));
  });
  const name = other ? differences(other, cell) || 'another run' : '';
  return h('section', {}, h('h3', {}, 'Settings', other ? h('span', { class: 'soft' }, ' against ', label(name, 60)) : null),
    h('table', { class: 'settings' }, h('tbody', {}, rows(differs))),
    h('details', { 'data-key': 'same' }, h('summary', { 'data-key': 'same-menu' }, `${keys.length - differs.length} more settings${other ? ', the same' : ''}`),
      h('table', { class: 'settings' }, h('tbody', {}, rows(keys.filter((key) => !differs.includes(key)))))));
}
