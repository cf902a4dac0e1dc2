// Ratings, favourites and blind choices. The browser keeps them under the sweep's own id; a file takes them out.
const SHELF = `tcdflow:${DATA.id}`;
let judged = { ratings: new Map(), choices: [] };
let kept = true;
const rating = (cell) => judged.ratings.get(cell.id) || {};

/** Reads what a ratings.json holds; throws where it is none. */
function readRatings(found) {
  if (found?.version !== 1 || typeof found.ratings !== 'object' || !Array.isArray(found.choices)) throw new Error('form');
  const ratings = Object.entries(found.ratings).map(([id, { stars, favourite }]) => [id, {
    ...([1, 2, 3, 4, 5].includes(stars) ? { stars } : {}), ...(favourite === true ? { favourite } : {}) }]);
  const choices = found.choices.filter(({ left, right, chosen }) => [left, right].every((id) => typeof id === 'string')
    && [left, right, null].includes(chosen));
  return { ratings: new Map(ratings), choices };
}

function formatRatings() {
  const ratings = Object.fromEntries([...judged.ratings].filter(([, given]) => Object.keys(given).length));
  return `${JSON.stringify({ version: 1, id: DATA.id, ratings, choices: judged.choices }, null, 1)}\n`;
}

/** Two sets of ratings as one; the second has the last word for each cell. */
function merged(first, second) {
  const known = new Set(first.choices.map((choice) => JSON.stringify(choice)));
  return { ratings: new Map([...first.ratings, ...second.ratings]),
    choices: [...first.choices, ...second.choices.filter((choice) => !known.has(JSON.stringify(choice)))] };
}

/** Begins with the ratings beside the page; for each cell the browser has the last word. */
function loadRatings() {
  judged = readRatings({ version: 1, ratings: DATA.ratings, choices: DATA.choices });
  try {
    const text = localStorage.getItem(SHELF);
    if (text) judged = merged(judged, readRatings(JSON.parse(text)));
  } catch { /* a browser that keeps nothing, or a form of another version */ }
}

function keepRatings() {
  try {
    // Ratings that were taken back are kept too, empty, or those beside the page would come again.
    localStorage.setItem(SHELF, JSON.stringify({ version: 1, ratings: Object.fromEntries(judged.ratings), choices: judged.choices }));
  } catch {
    if (kept) say('This browser keeps nothing: export your ratings before you close the page');
    kept = false;
  }
  draw();
}

/** Gives 1 to 5 stars; 0, or the same again, takes them back. */
function rate(cell, count) {
  const { stars, ...rest } = rating(cell);
  judged.ratings.set(cell.id, count && count !== stars ? { stars: count, ...rest } : rest);
  keepRatings();
}

function favour(cell) {
  const { favourite, ...rest } = rating(cell);
  judged.ratings.set(cell.id, favourite ? rest : { ...rest, favourite: true });
  keepRatings();
}

function exportRatings() {
  const url = URL.createObjectURL(new Blob([formatRatings()], { type: 'application/json' }));
  h('a', { href: url, download: 'ratings.json' }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
  say('ratings.json saved; tcdflow gallery DIR --ratings FILE merges it into the results');
}

async function importRatings(file) {
  try {
    const text = JSON.parse(await file.text());
    const found = readRatings(text);
    if (text.id !== DATA.id) return say('These ratings are of another sweep');
    judged = merged(judged, found);
    keepRatings();
    return say(`${found.ratings.size} ratings read`);
  } catch {
    return say('This file holds no ratings');
  }
}

/** Five stars and a heart, as buttons. */
function ratingButtons(cell) {
  const { stars = 0, favourite } = rating(cell);
  return h('div', { class: 'stars', role: 'group', 'aria-label': 'Your rating' },
    [1, 2, 3, 4, 5].map((count) => sign(`star-${count}`, count <= stars ? '★' : '☆', `${count} of 5 stars (key ${count})`,
      () => rate(cell, count), { 'aria-pressed': `${count === stars}` })),
    sign('heart', favourite ? '♥\ufe0e' : '♡', 'Favourite (key f)', () => favour(cell), { class: 'heart', 'aria-pressed': `${Boolean(favourite)}` }));
}

addEventListener('storage', (event) => {
  if (event.key !== SHELF) return;
  loadRatings();
  draw();
});
