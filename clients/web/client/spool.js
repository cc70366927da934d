/**
 * Keeps unsent events in localStorage, so that a closed tab or a dead battery loses none.
 *
 * Each event is an entry of its own, so two tabs never overwrite each other's. A tab holds a lease on its entries;
 * when the lease has run out, any other tab adopts and sends them. If both send one, the server knows its id.
 */

export const LEASE_MS = 30_000;

/**
 * The spool of one page.
 * @param {any} browser
 * @param {{spool: boolean | string, url: string, key: string, spoolBytes: number, tab: string}} options `spool` false
 *   keeps nothing; a string is a scope of one's own, which outlives a change of the key
 */
export function openSpool(browser, { spool, url, key, spoolBytes, tab }) {
  const storage = spool ? allowed(() => browser.localStorage) : undefined;
  const keyId = /^fk_[^_]+_([0-9a-f]+)_/.exec(key)?.[1] ?? "key"; // never the secret, and never another project's
  const scope = (typeof spool === "string" ? spool : `${url}#${keyId}`).replaceAll(":", ".");
  return new Spool(storage, { scope, tab, maxBytes: spoolBytes, now: () => browser.Date.now() });
}

export class Spool {
  #storage;
  #prefix;
  #tab;
  #maxBytes;
  #now;
  /** The entries this tab answers for, by feedback_id. @type {Map<string, {name: string, bytes: number}>} */
  #mine = new Map();
  /** This tab and those it has adopted from. @type {Set<string>} */
  #tabs;
  #bytes = 0;
  #renewedAt = -Infinity;

  /**
   * @param {Storage | undefined} storage absent or forbidden: nothing is kept and nothing fails
   * @param {{scope: string, tab: string, maxBytes: number, now: () => number}} options `scope` tells projects apart
   */
  constructor(storage, { scope, tab, maxBytes, now }) {
    this.#storage = storage;
    this.#prefix = `feedback:${scope}:`;
    this.#tab = tab;
    this.#tabs = new Set([tab]);
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  /**
   * @param {string} id
   * @param {string} text
   * @returns {boolean} whether it is kept; false when this spool's bound or the browser's is reached
   */
  put(id, text) {
    const name = this.#mine.get(id)?.name ?? `${this.#prefix}event:${this.#tab}:${id}`;
    const bytes = size(name, text);
    const before = this.#mine.get(id)?.bytes ?? 0;
    if (!this.#storage || this.#bytes - before + bytes > this.#maxBytes) return false;
    if (!this.#write(name, text)) return false;
    this.#mine.set(id, { name, bytes });
    this.#bytes += bytes - before;
    if (this.#now() - this.#renewedAt > LEASE_MS / 3) this.renew();
    return true;
  }

  /** @param {string} id */
  remove(id) {
    const entry = this.#mine.get(id);
    if (!entry) return;
    this.#write(entry.name, null);
    this.#mine.delete(id);
    this.#bytes -= entry.bytes;
  }

  /** Says that this tab is alive and will send what it keeps. */
  renew() {
    this.#renewedAt = this.#now();
    for (const tab of this.#tabs) this.#write(this.#lease(tab), String(this.#renewedAt + LEASE_MS));
  }

  /** Says that this tab may be gone soon: another one may send what it keeps, at once. */
  release() {
    this.#renewedAt = -Infinity;
    for (const tab of this.#tabs) this.#write(this.#lease(tab), null);
  }

  /**
   * Takes over what tabs that are gone have left.
   * @returns {{id: string, text: string}[]} oldest first
   */
  adopt() {
    const names = this.#names();
    const adopted = [];
    this.#bytes = 0; // counted anew: other tabs come and go
    for (const name of names) {
      const [what, tab, id] = name.slice(this.#prefix.length).split(":");
      const isLeft = !this.#tabs.has(tab) && Number(this.#read(this.#lease(tab)) ?? 0) <= this.#now();
      if (what === "tab" && isLeft && !names.some((each) => each.includes(`:event:${tab}:`))) this.#write(name, null);
      if (what !== "event" || !id) continue;
      const text = this.#read(name) ?? "";
      this.#bytes += size(name, text);
      if (!isLeft || this.#mine.has(id)) continue;
      this.#mine.set(id, { name, bytes: size(name, text) });
      adopted.push({ id, text, tab });
    }
    for (const { tab } of adopted) this.#tabs.add(tab);
    if (adopted.length) this.renew();
    return adopted.map(({ id, text }) => ({ id, text })).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  #names() {
    const storage = this.#storage;
    const names = allowed(() => Array.from({ length: storage?.length ?? 0 }, (_, i) => storage?.key(i) ?? ""));
    return (names ?? []).filter((name) => name.startsWith(this.#prefix));
  }

  /** @param {string} name */
  #read(name) {
    return allowed(() => this.#storage?.getItem(name));
  }

  /** @param {string} name @param {string | null} text null removes */
  #write(name, text) {
    const storage = this.#storage;
    return allowed(() => (text === null ? storage?.removeItem(name) : storage?.setItem(name, text), true)) ?? false;
  }

  /** @param {string} tab */
  #lease(tab) {
    return `${this.#prefix}tab:${tab}`;
  }
}

/** Bytes in the browser's storage, which is UTF-16. @param {string} name @param {string} text */
function size(name, text) {
  return 2 * (name.length + text.length);
}

/**
 * What `work` returns, or undefined where the browser forbids its storage or it is full: then memory is the queue.
 * @template T @param {() => T} work @returns {T | undefined}
 */
export function allowed(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}
