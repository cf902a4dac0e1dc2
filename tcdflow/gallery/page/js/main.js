// Draws what the view says, and begins.
let toolbarOf = null;

function draw() {
  for (const tab of TABS) {
    byId(tab).hidden = view.tab !== tab;
    byId(`tab-${tab}`).setAttribute('aria-pressed', `${view.tab === tab}`);
  }
  if (view.tab === 'grid') {
    const { size, cell, with: marks, mode, split, gain, walk: across, rise, ...deciding } = view;
    const asked = write({ ...defaults(), ...deciding });
    if (asked !== toolbarOf) drawToolbar();
    toolbarOf = asked;
    drawGrid();
  } else if (view.tab === 'plots') drawPlots();
  else drawBlind();
  drawTray();
  drawSingle();
}

/** What is marked, and the way to compare it. */
function drawTray() {
  const node = byId('tray');
  node.hidden = !view.with.length || view.tab !== 'grid';
  const some = view.with.map((id) => cellOf.get(id));
  refill(node, `${some.length} marked`, some.map((cell) => (cell.thumb ? h('img', { alt: spoken(cell), src: cell.thumb }) : soft(cell.status))),
    act('compare', 'Compare', () => show({ cell: view.with[0], mode: view.mode === 'one' ? 'side' : view.mode }, true), { class: 'main', disabled: some.length < 2 }),
    sign('clear', '✕', 'Clear the marks', () => show({ with: [] })));
}

function drawStatus() {
  const count = (status) => cells.filter((cell) => cell.status === status).length;
  const counts = [`${count('done')} ${count('done') === 1 ? 'image' : 'images'}`, ...['failed', 'running', 'missing'].filter(count).map((status) => `${count(status)} ${status}`)];
  byId('status').replaceChildren(counts.join(' · '), DATA.running ? h('span', { class: 'live' }, 'running') : '');
}

const THEMES = ['auto', 'light', 'dark'];
/** Sets the colours, or goes on to the next ones. */
function theme(step) {
  let name = doc.documentElement.dataset.theme;
  try {
    if (!step) name = localStorage.getItem('tcdflow:theme') || name;
  } catch { /* a browser that keeps nothing */ }
  name = THEMES[(Math.max(0, THEMES.indexOf(name)) + step) % THEMES.length];
  try {
    localStorage.setItem('tcdflow:theme', name);
  } catch { /* the same */ }
  doc.documentElement.dataset.theme = name;
  byId('theme').title = `Colours: ${name}`;
  byId('theme').setAttribute('aria-label', `Colours: ${name}`);
}

/** While the sweep runs the page is read again every few seconds, unless somebody is at something. */
function watch() {
  let moved = performance.now();
  const busy = () => doc.hidden || view.tab === 'blind' || doc.querySelector('details.menu[open], dialog[open]') || doc.activeElement?.matches('input, select');
  for (const name of ['scroll', 'pointermove', 'keydown']) addEventListener(name, () => { moved = performance.now(); }, { capture: true, passive: true });
  setInterval(() => {
    if (busy() || performance.now() - moved < 4000) return;
    history.replaceState({ left: scroller.scrollLeft, top: scroller.scrollTop, focused }, '');
    location.reload();
  }, 1000);
}

function begin() {
  loadRatings();
  theme(0);
  drawStatus();
  for (const tab of TABS) byId(`tab-${tab}`).addEventListener('click', () => tabTo(tab));
  for (const [id, does] of Object.entries({ theme: () => theme(1), ask: drawHelp, export: exportRatings, close, 'help-close': () => help.close(),
    everything: () => show({ ...NO_FILTER, hide: new Map(), pick: new Map() }) })) byId(id).addEventListener('click', does);
  byId('import').addEventListener('change', (event) => importRatings(event.target.files[0]));
  addEventListener('popstate', () => { view = read(location.hash); draw(); });
  addEventListener('click', (event) => event.target.isConnected && closeMenus(event.target));
  draw();
  if (history.state?.focused) {
    scroller.scrollTo(history.state.left, history.state.top);
    focused = history.state.focused;
    fill();
  }
  if (DATA.running) watch();
  doc.documentElement.dataset.ready = 'yes';
}
begin();
