// Where a text stops being JSON, which engines tell each in its own words or not at all, and where in it a value stands. Source: RFC 8259.

const SPACE = /[ \t\n\r]*/y;
const TOKEN =
  /[[\]{}:,]|"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/uy;

type Expected = 'value' | 'value-or-end' | 'name' | 'name-or-end' | 'colon' | 'next' | 'nothing';

/** Offset (in UTF-16 units) of the first token that cannot be there; the text's length if it is only cut short. */
export function jsonErrorOffset(text: string): number {
  /** The brackets that are open. */
  const open: string[] = [];
  let expected: Expected = 'value';
  let at = 0;
  for (;;) {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    const next: Expected | null = token === undefined ? null : after(expected, token, open);
    if (next === null || token === undefined) return at;
    expected = next;
    at += token.length;
  }
}

/** What may follow `token`; null where it cannot be here. */
function after(expected: Expected, token: string, open: string[]): Expected | null {
  const value = expected === 'value' || expected === 'value-or-end';
  switch (token) {
    case '{':
    case '[':
      if (!value) return null;
      open.push(token);
      return token === '{' ? 'name-or-end' : 'value-or-end';
    case '}':
    case ']': {
      const empty = token === '}' ? 'name-or-end' : 'value-or-end';
      if ((expected !== 'next' && expected !== empty) || open.pop() !== (token === '}' ? '{' : '[')) return null;
      return open.length === 0 ? 'nothing' : 'next';
    }
    case ':':
      return expected === 'colon' ? 'value' : null;
    case ',':
      if (expected !== 'next') return null;
      return open[open.length - 1] === '{' ? 'name' : 'value';
    default:
      if (token.startsWith('"') && (expected === 'name' || expected === 'name-or-end')) return 'colon';
      if (!value) return null;
      return open.length === 0 ? 'nothing' : 'next';
  }
}

/** Offset (in UTF-16 units) of the value at `path` in a text that is JSON; of the value that lacks it, where it is not there. Of names given twice the last counts. */
export function jsonOffset(text: string, path: readonly (string | number)[]): number {
  /** For each open bracket, the name or number of the item in work. */
  const keys: (string | number)[] = [];
  let name = false;
  let found = 0;
  for (let at = 0; ; at = TOKEN.lastIndex) {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    TOKEN.lastIndex = SPACE.lastIndex;
    const [token] = TOKEN.exec(text) ?? [];
    if (token === undefined) return found;
    const last = keys.length - 1;
    if (token === ':') name = false;
    else if (token === ',') {
      const key = keys[last];
      if (typeof key === 'number') keys[last] = key + 1;
      else name = true;
    } else if (token === '}' || token === ']') {
      keys.pop();
      name = false;
    } else if (name) keys[last] = JSON.parse(token) as string;
    else {
      if (keys.length <= path.length && keys.every((key, i) => key === path[i])) found = TOKEN.lastIndex - token.length;
      if (token === '[') keys.push(0);
      if (token === '{') keys.push('');
      name = token === '{';
    }
  }
}
