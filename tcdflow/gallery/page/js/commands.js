// The commands that make an image again, quoted for bash.

/** Quotes one word. Control characters are written as escapes, so that pasting them into a terminal does nothing. */
function quote(word) {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (/^[^$`"\\!\p{C}\u2028\u2029]+$/u.test(word) && word.includes("'")) return `"${word}"`;
  const unseen = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
  if (!unseen.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
  return `$'${[...word].map((one) => {
    if (one === '\n') return '\\n';
    if (one === "'" || one === '\\') return `\\${one}`;
    if (one !== '!' && !unseen.test(one)) return one;
    return [...new TextEncoder().encode(one)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  }).join('')}'`;
}

/** Where a run lies: absolute on file://, else as the directory was named when the page was written. */
function pathOf(cell) {
  let folder = `${DATA.root.replace(/\/$/, '')}/`;
  if (location.protocol === 'file:') {
    try { folder = decodeURIComponent(location.pathname).replace(/[^/]*$/, ''); } catch { /* not UTF-8 */ }
  }
  return folder + cell.name;
}

/** The settings as nested YAML; values are JSON, which YAML reads as it stands. */
function yaml(cell) {
  const tree = new Map();
  for (const [key, json] of settings(cell)) {
    const names = key.split('.');
    const name = names.pop();
    const parent = names.reduce((node, one) => {
      if (!(node.get(one) instanceof Map)) node.set(one, new Map());
      return node.get(one);
    }, tree);
    parent.set(name, json.replace(/(\\*)\$\{/g, '$1$1\\\\${')); // or OmegaConf would read an interpolation
  }
  const safe = (name) => (/^(?!(y|n|yes|no|on|off|true|false|null)$)[a-z_]\w*$/i.test(name) ? name : JSON.stringify(name));
  const lines = (node, indent) => [...node].flatMap(([name, value]) => (value instanceof Map
    ? [`${indent}${safe(name)}:`, ...lines(value, `${indent}  `)] : [`${indent}${safe(name)}: ${value}`]));
  return `${[DATA.texts[DATA.head].trimEnd(), ...lines(tree, '')].join('\n')}\n`;
}

/** By key of the keyboard: name, what it does, and the text. */
const COMMANDS = new Map([
  ['v', ['Verify', 'Makes the image again and compares its pixels', (cell) => `tcdflow rerun ${quote(pathOf(cell))} --verify`]],
  ['r', ['Rerun', 'Makes the image again', (cell) => `tcdflow rerun ${quote(pathOf(cell))}`]],
  ['o', ['Overrides', 'The command that made it', (cell) => ['tcdflow', ...cell.overrides.map((at) => quote(DATA.texts[at]))].join(' ')]],
  ['y', ['YAML', 'An experiment file with all its settings', yaml]],
]);

/** Those that make a cell: validations of a distillation are made by its command alone. */
function commandsOf(cell) {
  return [...COMMANDS].filter(([key]) => cell.again || key === 'o');
}

function copyCommand(cell, key) {
  if (!commandsOf(cell).some(([known]) => known === key)) return;
  const [name, , make] = COMMANDS.get(key);
  copy(make(cell), name);
}
