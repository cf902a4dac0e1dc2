// Blind: two images without their settings, and a choice between them. They differ along one axis, or in anything.
let pair = null;

/** Two images that were not judged yet, in random order. */
function draw_pair() {
  const some = cells.filter((cell) => cell.status === 'done' && cell.file && !hidden(cell));
  const judgedPairs = new Set(judged.choices.map((choice) => [choice.left, choice.right].sort().join()));
  const n = view.blind;
  for (let tries = 0; tries < 400 && some.length > 1; tries += 1) {
    const one = some[Math.floor(Math.random() * some.length)];
    let other = some[Math.floor(Math.random() * some.length)];
    if (n !== null) {
      const at = [...one.at];
      at[n] = Math.floor(Math.random() * axes[n].values.length);
      other = placed.get(at.join());
    }
    if (!other || other === one || other.status !== 'done' || !other.file || hidden(other)) continue;
    if (judgedPairs.has([one.id, other.id].sort().join())) continue;
    return [one, other];
  }
  return null;
}

function choose(chosenOne) {
  if (!pair) return;
  judged.choices.push({ left: pair[0].id, right: pair[1].id, chosen: chosenOne && chosenOne.id });
  keepRatings();
  pair = null;
  draw();
}

/** How often each value of an axis was preferred where the two differed in it. */
function tally(axis) {
  const rows = axis.values.map(() => ({ won: 0, ties: 0, seen: 0 }));
  for (const { left, right, chosen: best } of judged.choices) {
    const two = [cellOf.get(left), cellOf.get(right)];
    if (!two[0] || !two[1] || two[0].at[axis.n] === two[1].at[axis.n]) continue;
    for (const cell of two) {
      const row = rows[cell.at[axis.n]];
      row.seen += 1;
      if (best === null) row.ties += 1;
      else if (best === cell.id) row.won += 1;
    }
  }
  return rows;
}

function drawBlind() {
  pair = pair || draw_pair();
  const side = (cell, name, key) => h('button', { type: 'button', class: 'side', 'data-key': `blind-${name}`, 'aria-label': `The ${name} one is better`,
    onclick: () => choose(cell) },
  cell.video ? h('video', { src: cell.file, muted: true, loop: true, autoplay: true, playsInline: true }) : h('img', { alt: `${name} image`, src: cell.file }),
  h('span', {}, `${name} is better `, h('kbd', {}, key)));
  refill(byId('blind'),
    h('div', { class: 'bar' },
      h('label', { class: 'lane' }, h('span', { class: 'soft' }, 'The two differ in'), select('blind', 'The two differ in',
        [['', 'anything'], ...wide.map((axis) => [axis.n, axis.label])], view.blind ?? '', (n) => { pair = null; show({ blind: n === '' ? null : Number(n) }); })),
      h('span', { class: 'soft' }, `${judged.choices.length} choices so far`),
      button('Export', 'Save ratings and choices as ratings.json (key e)', exportRatings, { 'data-key': 'blind-export' })),
    pair ? h('div', { class: 'duel' }, side(pair[0], 'left', '←'), side(pair[1], 'right', '→')) : h('p', { class: 'empty' }, 'No two images are left to compare.'),
    pair ? h('p', { class: 'center' }, h('button', { type: 'button', 'data-key': 'tie', onclick: () => choose(null) }, 'No preference ', h('kbd', {}, '↓'))) : null,
    h('details', { class: 'reveal', 'data-key': 'reveal' }, h('summary', { 'data-key': 'reveal-menu' }, 'Reveal what was preferred'),
      wide.map((axis) => [axis, tally(axis)]).filter(([, rows]) => rows.some((row) => row.seen)).map(([axis, rows]) => h('table', {},
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, label(axis.label)), h('th', { scope: 'col' }, 'preferred'), h('th', { scope: 'col' }, 'no preference'),
          h('th', { scope: 'col' }, 'compared'))),
        h('tbody', {}, rows.map((row, at) => (row.seen ? h('tr', {}, h('th', { scope: 'row' }, label(axis.values[at].text, 120)),
          h('td', {}, `${row.won} (${Math.round((100 * row.won) / row.seen)} %)`), h('td', {}, String(row.ties)), h('td', {}, String(row.seen))) : null)))))));
}
