// Scores as colours: the brighter the better, and readable for the colour-blind (a scale like viridis).
const STOPS = [[58, 28, 94], [57, 86, 140], [31, 140, 140], [86, 194, 98], [250, 224, 60]];
let colours = null;

function mix(share) {
  const at = clamp(share, 0, 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  return `rgb(${STOPS[low].map((part, n) => Math.round(part + (STOPS[low + 1][n] - part) * (at - low))).join(' ')})`;
}

function colourOf(value) {
  if (!colours) return 'transparent';
  const share = colours.high > colours.low ? (value - colours.low) / (colours.high - colours.low) : 1;
  return mix(colours.better === 'low' ? 1 - share : share);
}

/** Spreads the scale over all cells' scores, and draws it. */
function legend() {
  const ends = view.colour ? extent(cells, view.colour) : null;
  colours = ends && { low: ends[0], high: ends[1], better: metricOf(view.colour).better };
  const node = byId('legend');
  node.hidden = !colours;
  if (!colours) return;
  const steps = STOPS.map((_, n) => mix(colours.better === 'low' ? 1 - n / (STOPS.length - 1) : n / (STOPS.length - 1)));
  node.replaceChildren(label(view.colour), h('span', {}, brief(colours.low)),
    styled(h('i', {}), { background: `linear-gradient(to right, ${steps.join(', ')})` }), h('span', {}, brief(colours.high)),
    colours.better ? h('span', { class: 'soft' }, `${colours.better === 'low' ? 'lower' : 'higher'} is better`) : '');
}
