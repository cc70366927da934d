// What a correction changes, word by word.

const LONGEST = 400;

/** Pieces of `after` and of what was taken out of `before`, in order: [kind, text], kind one of same, out, in. */
export function differences(before, after) {
  const [a, b] = [before, after].map((text) => text.split(/(\s+)/).filter((piece) => piece !== ""));
  if (a.length > LONGEST || b.length > LONGEST) return before === after ? [["same", after]] : [["out", before], ["in", after]];
  const common = lengths(a, b);
  const found = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add(found, "same", a[i]);
      i += 1;
      j += 1;
    } else if (j === b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) {
      add(found, "out", a[i]);
      i += 1;
    } else {
      add(found, "in", b[j]);
      j += 1;
    }
  }
  return found;
}

function lengths(a, b) {
  const found = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      found[i][j] = a[i] === b[j] ? found[i + 1][j + 1] + 1 : Math.max(found[i + 1][j], found[i][j + 1]);
    }
  }
  return found;
}

function add(found, kind, text) {
  const last = found.at(-1);
  if (last?.[0] === kind) last[1] += text;
  else found.push([kind, text]);
}
