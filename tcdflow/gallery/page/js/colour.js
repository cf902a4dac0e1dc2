// Scores as colours: the brighter the better, on a scale that the colour-blind can read.
const STOPS = [[58, 28, 94], [57, 86, 140], [31, 140, 140], [86, 194, 98], [250, 224, 60]];
let scale = null;

/** The colour of a share from 0 to 1. */
function mix(share) {
  const at = clamp(share, 0, 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  return `rgb(${STOPS[low].map((part, n) => Math.round(part + (STOPS[low + 1][n] - part) * (at - low))).join(' ')})`;
}

function colourOf(value) {
  const [low, high] = scale.ends;
  const share = high > low ? (value - low) / (high - low) : 1;
  return mix(scale.better === 'low' ? 1 - share : share);
}

/** Spreads the scale over all scores, whichever are in view, and draws it. */
function drawLegend() {
  const ends = view.colour ? extent(cells, view.colour) : null;
  scale = ends && { ends, better: metricOf(view.colour).better };
  const node = byId('legend');
  node.hidden = !scale;
  if (!scale) return;
  const steps = STOPS.map((_, n) => colourOf(ends[0] + ((ends[1] - ends[0]) * n) / (STOPS.length - 1)));
  node.replaceChildren(label(view.colour), brief(ends[0]), styled(h('i'), { background: `linear-gradient(to right, ${steps.join(', ')})` }), brief(ends[1]),
    scale.better ? ` (${scale.better === 'low' ? 'lower' : 'higher'} is better)` : '');
}
