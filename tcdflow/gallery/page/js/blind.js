// Blind: two images without their settings, and a choice between them. They differ along one axis, or in anything.
let pair = null;

/** Two images that were not judged yet, in random order. */
function drawPair() {
  const able = (cell) => cell && cell.status === 'done' && cell.file && !hidden(cell);
  const some = cells.filter(able);
  const known = new Set(judged.choices.map((choice) => [choice.left, choice.right].sort().join()));
  const any = (list) => list[Math.floor(Math.random() * list.length)];
  for (let tries = 0; tries < 1000 && some.length > 1; tries += 1) {
    const one = any(some);
    const other = view.blind === null ? any(some) : placed.get(one.at.with(view.blind, any([...axes[view.blind].values.keys()])).join());
    if (able(other) && other !== one && !known.has([one.id, other.id].sort().join())) return [one, other];
  }
  return null;
}

function choose(cell) {
  if (!pair) return;
  judged.choices.push({ left: pair[0].id, right: pair[1].id, chosen: cell && cell.id });
  pair = null;
  keepRatings();
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
      row.ties += best === null;
      row.won += best === cell.id;
    }
  }
  return rows;
}

function drawBlind() {
  pair ||= drawPair();
  const side = (cell, name, key) => act(`blind-${name}`, [
    h(cell.video ? 'video' : 'img', { src: cell.file, ...(cell.video ? { muted: true, loop: true, autoplay: true, playsInline: true } : { alt: '' }) }),
    h('span', {}, `The ${name} one is better `, h('kbd', {}, key))], () => choose(cell), { class: 'side' });
  const table = ([axis, rows]) => h('table', {},
    h('thead', {}, h('tr', {}, [label(axis.label), 'preferred', 'no preference', 'compared'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, rows.map(({ won, ties, seen }, at) => seen > 0 && h('tr', {}, h('th', { scope: 'row' }, label(axis.values[at].text, 120)),
      [`${won} (${Math.round((100 * won) / seen)} %)`, ties, seen].map((text) => h('td', {}, String(text)))))));
  refill(byId('blind'),
    h('div', { class: 'bar' }, lane('The two differ in', select('blind', 'The two differ in', [['', 'anything'], ...wide.map((axis) => [axis.n, axis.label])], view.blind ?? '',
      (n) => { pair = null; show({ blind: n === '' ? null : +n }); })),
    soft(`Choices so far: ${judged.choices.length}`), act('blind-export', 'Export', exportRatings)),
    pair ? [h('div', { class: 'duel' }, side(pair[0], 'left', '←'), side(pair[1], 'right', '→')),
      h('p', { class: 'center' }, act('tie', ['No preference ', h('kbd', {}, '↓')], () => choose(null)))] : h('p', { class: 'empty' }, 'No two images are left to compare.'),
    h('details', { class: 'reveal', key: 'reveal' }, h('summary', { key: 'reveal-menu' }, 'Reveal what was preferred'),
      wide.map((axis) => [axis, tally(axis)]).filter(([, rows]) => rows.some((row) => row.seen)).map(table)));
}
