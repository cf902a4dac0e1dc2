// The commands that make an image again, quoted for bash.

/** Quotes one word. Control characters are written as escapes, so that pasting them into a terminal does nothing. */
function quote(word) {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  const unseen = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
  if (!unseen.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
  const escaped = [...word].map((one) => {
    if (one === '\n') return '\\n';
    if (one === "'" || one === '\\') return `\\${one}`;
    if (one !== '!' && !unseen.test(one)) return one;
    return [...new TextEncoder().encode(one)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  });
  return `$'${escaped.join('')}'`;
}

/** Where a run lies: absolute on file://, else as the directory was named when the page was written. */
function pathOf(cell) {
  if (location.protocol === 'file:') {
    try { return decodeURIComponent(location.pathname).replace(/[^/]*$/, '') + cell.name; } catch { /* not UTF-8 */ }
  }
  return `${DATA.root.replace(/\/$/, '')}/${cell.name}`;
}

/** The settings as nested YAML; values are JSON, which YAML reads as it stands. */
function yaml(cell) {
  const tree = new Map();
  for (const [key, json] of settings(cell)) {
    const names = key.split('.');
    const last = names.pop();
    let node = tree;
    for (const name of names) {
      if (!(node.get(name) instanceof Map)) node.set(name, new Map());
      node = node.get(name);
    }
    node.set(last, json.replaceAll('${', '\\\\${')); // or OmegaConf would read an interpolation
  }
  const safe = (name) => (/^[A-Za-z_]\w*$/.test(name) && !/^(y|n|yes|no|on|off|true|false|null)$/i.test(name)
    ? name : JSON.stringify(name));
  const lines = (node, indent) => [...node].flatMap(([name, value]) => (value instanceof Map
    ? [`${indent}${safe(name)}:`, ...lines(value, `${indent}  `)] : [`${indent}${safe(name)}: ${value}`]));
  return `${[DATA.texts[DATA.head].trimEnd(), ...lines(tree, '')].join('\n')}\n`;
}

const COMMANDS = [
  ['verify', 'Verify', 'v', 'Makes the image again and compares its pixels',
    (cell) => `tcdflow rerun ${quote(pathOf(cell))} --verify`],
  ['rerun', 'Rerun', 'r', 'Makes the image again', (cell) => `tcdflow rerun ${quote(pathOf(cell))}`],
  ['overrides', 'Overrides', 'o', 'The command that made it',
    (cell) => ['tcdflow', ...cell.overrides.map((at) => quote(DATA.texts[at]))].join(' ')],
  ['yaml', 'YAML', 'y', 'An experiment file with all its settings', yaml],
];

function copyCommand(cell, name) {
  const [, title, , , make] = COMMANDS.find(([one]) => one === name);
  copy(make(cell), title);
}
