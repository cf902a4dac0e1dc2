// Ratings, favourites and blind choices. The browser keeps them under the sweep's own name; a file takes them out.
const SHELF = `tcdflow:${DATA.id}`;
let judged = { ratings: new Map(), choices: [] };
let kept = true;

/** Reads what a ratings.json holds; throws where it is none. */
function readRatings(found) {
  if (found?.version !== 1 || typeof found.ratings !== 'object' || !Array.isArray(found.choices)) throw new Error('form');
  const ratings = new Map();
  for (const [id, given] of Object.entries(found.ratings)) {
    const stars = Number.isInteger(given.stars) && given.stars >= 1 && given.stars <= 5 ? { stars: given.stars } : {};
    const favourite = given.favourite === true ? { favourite: true } : {};
    ratings.set(id, { ...stars, ...favourite });
  }
  const ids = (choice) => [choice?.left, choice?.right].every((id) => typeof id === 'string')
    && [choice.left, choice.right, null].includes(choice.chosen);
  return { ratings, choices: found.choices.filter(ids) };
}

function formatRatings() {
  const ratings = Object.fromEntries([...judged.ratings].filter(([, given]) => Object.keys(given).length));
  return `${JSON.stringify({ version: 1, id: DATA.id, ratings, choices: judged.choices }, null, 1)}\n`;
}

/** Begins with the ratings beside the page; for each cell the browser has the last word. */
function loadRatings() {
  judged = readRatings({ version: 1, id: DATA.id, ratings: DATA.ratings, choices: DATA.choices });
  try {
    const text = localStorage.getItem(SHELF);
    if (text) judged = merged(judged, readRatings(JSON.parse(text)));
  } catch { /* a browser that keeps nothing, or a form of another version */ }
}

/** Two sets of ratings as one; the second has the last word for each cell. */
function merged(first, second) {
  const known = new Set(first.choices.map((choice) => JSON.stringify(choice)));
  return { ratings: new Map([...first.ratings, ...second.ratings]),
    choices: [...first.choices, ...second.choices.filter((choice) => !known.has(JSON.stringify(choice)))] };
}

function keepRatings() {
  try {
    localStorage.setItem(SHELF, formatRatings());
  } catch {
    if (kept) say('This browser keeps nothing: export your ratings before you close the page');
    kept = false;
  }
}

const rating = (cell) => judged.ratings.get(cell.id) || {};

/** Gives 1 to 5 stars; 0, or the same again, takes them back. */
function rate(cell, stars) {
  const { favourite, stars: before } = rating(cell);
  judged.ratings.set(cell.id, { ...(stars && stars !== before ? { stars } : {}), ...(favourite ? { favourite } : {}) });
  keepRatings();
  draw();
}

function favour(cell) {
  const { stars, favourite } = rating(cell);
  judged.ratings.set(cell.id, { ...(stars ? { stars } : {}), ...(favourite ? {} : { favourite: true }) });
  keepRatings();
  draw();
}

function exportRatings() {
  const url = URL.createObjectURL(new Blob([formatRatings()], { type: 'application/json' }));
  h('a', { href: url, download: 'ratings.json' }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
  say('ratings.json saved; merge it with tcdflow gallery DIR --ratings FILE');
}

async function importRatings(file) {
  try {
    const text = JSON.parse(await file.text());
    const found = readRatings(text);
    if (text.id !== DATA.id) {
      say('These ratings are of another sweep');
      return;
    }
    judged = merged(judged, found);
    keepRatings();
    draw();
    say(`${found.ratings.size} ratings read`);
  } catch {
    say('This file holds no ratings');
  }
}

/** Five stars and a heart, as buttons. */
function ratingButtons(cell) {
  const { stars = 0, favourite } = rating(cell);
  return h('div', { class: 'stars', role: 'group', 'aria-label': 'Your rating' },
    [1, 2, 3, 4, 5].map((count) => button(count <= stars ? '★' : '☆', `${count} star${count > 1 ? 's' : ''} (key ${count})`,
      () => rate(cell, count), { 'aria-pressed': String(count === stars), 'data-key': `star${count}` })),
    button(favourite ? '♥\ufe0e' : '♡', 'Favourite (key f)', () => favour(cell),
      { class: 'heart', 'aria-pressed': String(Boolean(favourite)), 'data-key': 'heart' }));
}

addEventListener('storage', (event) => {
  if (event.key !== SHELF) return;
  loadRatings();
  draw();
});
