// Draws what the view says, and begins.
let toolbarOf = null;

function draw() {
  for (const tab of TABS) {
    byId(tab).hidden = view.tab !== tab;
    byId(`tab-${tab}`).setAttribute('aria-pressed', String(view.tab === tab));
  }
  if (view.tab === 'grid') {
    const asked = write({ ...view, size: 160, cell: '', with: [], mode: 'one', split: 50, walk: null, rise: null });
    if (asked !== toolbarOf) drawToolbar();
    toolbarOf = asked;
    drawGrid();
  } else if (view.tab === 'plots') drawPlots();
  else if (!view.cell) drawBlind();
  drawTray();
  drawSingle();
}

/** What is marked, and the way to compare it. */
function drawTray() {
  const node = byId('tray');
  node.hidden = !view.with.length || view.tab !== 'grid';
  if (node.hidden) return;
  const [first, ...rest_] = view.with;
  node.replaceChildren(h('span', {}, `${view.with.length} marked`),
    ...view.with.map((id) => h('img', { alt: spoken(cellOf.get(id)), src: cellOf.get(id).thumb || '' })),
    h('button', { type: 'button', class: 'main', disabled: view.with.length < 2,
      onclick: () => show({ cell: first, with: rest_, mode: 'side' }, true) }, 'Compare'),
    button('✕', 'Clear the marks', () => show({ with: [] })));
}

function drawStatus() {
  const count = (status) => cells.filter((cell) => cell.status === status).length;
  const words_ = [`${count('done')} image${count('done') === 1 ? '' : 's'}`,
    ...['failed', 'running', 'missing'].filter(count).map((status) => `${count(status)} ${status}`)];
  byId('status').replaceChildren(words_.join(' · '), DATA.running ? h('span', { class: 'live' }, 'running') : '');
}

const THEMES = ['auto', 'light', 'dark'];
function theme(step) {
  let name = 'auto';
  try {
    name = localStorage.getItem('tcdflow:theme') || 'auto';
    if (step) name = THEMES[(THEMES.indexOf(name) + 1) % THEMES.length];
    localStorage.setItem('tcdflow:theme', name);
  } catch { /* a browser that keeps nothing */ }
  doc.documentElement.dataset.theme = name;
  byId('theme').setAttribute('aria-label', `Colours: ${name}`);
  byId('theme').title = `Colours: ${name}`;
}

/** While the sweep runs the page is read again, unless somebody is at something. */
function watch() {
  const began_ = performance.now();
  const busy = () => doc.hidden || view.cell || view.tab === 'blind' || doc.querySelector('details.menu[open], dialog[open]')
    || doc.activeElement?.matches('input, select') || performance.now() - moved < 2000;
  let moved = 0;
  for (const name of ['scroll', 'pointermove', 'keydown']) addEventListener(name, () => { moved = performance.now(); }, { capture: true, passive: true });
  setInterval(() => {
    if (busy() || performance.now() - began_ < 4000) return;
    history.replaceState({ ...history.state, left: scroller.scrollLeft, top: scroller.scrollTop, focused }, '');
    location.reload();
  }, 1000);
}

function begin() {
  loadRatings();
  theme(false);
  drawStatus();
  for (const tab of TABS) byId(`tab-${tab}`).addEventListener('click', () => tabTo(tab));
  byId('theme').addEventListener('click', () => theme(true));
  byId('ask').addEventListener('click', drawHelp);
  byId('export').addEventListener('click', exportRatings);
  byId('import').addEventListener('change', (event) => event.target.files[0] && importRatings(event.target.files[0]));
  byId('close').addEventListener('click', close);
  byId('help-close').addEventListener('click', () => help.close());
  byId('unfilter').addEventListener('click', () => show({ where: new Map(), find: '', favourites: false, status: '', hide: new Map(), pick: new Map() }));
  addEventListener('popstate', () => { view = read(location.hash); pair = null; draw(); });
  addEventListener('click', (event) => closeMenus(event.target));
  draw();
  const { left, top, focused: last } = history.state || {};
  if (top !== undefined) scroller.scrollTo(left, top);
  if (last && cellOf.has(last)) focused = last;
  if (DATA.running) watch();
  doc.documentElement.dataset.ready = 'yes';
}
begin();
