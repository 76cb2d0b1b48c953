// Live pictures: every <vg-live data-camera=… data-label=… data-width=…> of the page, drawn by one loop.
//
// The loop asks GET /api/live for all cameras that can be seen, and again only when the last answer is drawn. It stops
// while the page is hidden or no picture is in view: the server then lets its pictures go by itself.

const TAG = "vg-live";
const CAMERAS_MAX = 32; // of one request; a longer wall takes turns
const ANSWER_MS = 8000; // an answer that takes longer is given up
const STALE_MS = 3000; // without a picture for so long there is none
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 15000;
const OFF_MS = 60000;
const BROKEN_TOLD = 3; // so often in a row that what came cannot be drawn: it is the browser, and no camera
const LEAVING_MS = 5000; // a form leads away, a log-out for one: nothing more is asked, unless the page is still there then
const GOOD = "#4ade80";
const FAIR = "#facc15";
const POOR = "#fb923c";

const STYLE = `
:host { display: block; position: relative; overflow: hidden; background: #0b0f14; aspect-ratio: 16 / 9; width: 100%; }
:host([hidden]) { display: none; }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.label, .state { position: absolute; font: 600 0.8125rem/1.3 system-ui, sans-serif; color: #fff; }
.label { left: 0.5rem; bottom: 0.5rem; max-width: calc(100% - 1rem); padding: 0.125rem 0.5rem; border-radius: 0.375rem;
  background: rgb(0 0 0 / 0.72); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; box-sizing: border-box; }
.state { inset: 0; display: none; place-items: center; text-align: center; padding: 1rem; background: rgb(8 11 15 / 0.66);
  text-shadow: 0 1px 2px #000; }
:host(:not([data-state="live"])) .state { display: grid; }
`;

/** How long ago, as it is said in every language. */
function ageText(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  return `${Math.floor(s / 3600)} h`;
}

class LiveView extends HTMLElement {
  static observedAttributes = ["data-camera", "data-label"];

  constructor() {
    super();
    this.inView = false;
    this.bitmap = null;
    this.boxes = [];
    this.takenAt = 0; // when the picture was taken, on this page's clock; 0: there was none
    this.note = ""; // "off", "busy" or "broken": why there is none
    const root = this.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = STYLE;
    this.canvas = document.createElement("canvas");
    this.labelBox = document.createElement("div");
    this.labelBox.className = "label";
    this.labelBox.setAttribute("part", "label");
    this.stateBox = document.createElement("div");
    this.stateBox.className = "state";
    root.append(style, this.canvas, this.stateBox, this.labelBox);
  }

  connectedCallback() {
    this.setAttribute("role", "img");
    this.relabel();
    views.add(this);
    sight.observe(this);
    sizes.observe(this);
    this.showState();
    wall.wake();
  }

  disconnectedCallback() {
    views.delete(this);
    sight.unobserve(this);
    sizes.unobserve(this);
    this.inView = false;
    this.forget();
  }

  attributeChangedCallback(name, before, after) {
    if (!this.labelBox) return;
    if (name === "data-camera" && before !== null && before !== after) this.forget();
    this.relabel();
  }

  // Not "camera": a framework that finds a property of an attribute's name sets that instead.
  get shownCamera() {
    return this.dataset.camera || "";
  }

  /** How many pixels wide it is worth asking for. */
  get wanted() {
    const most = Number(this.dataset.width) || 480;
    const own = Math.ceil(this.clientWidth * (window.devicePixelRatio || 1)) || most;
    return Math.max(16, Math.min(most, own, 1280));
  }

  relabel() {
    const label = this.dataset.label || this.shownCamera;
    const state = this.stateBox.textContent;
    this.labelBox.textContent = label;
    this.setAttribute("aria-label", state ? `${label}: ${state}` : label);
  }

  forget() {
    if (this.bitmap) this.bitmap.close();
    this.bitmap = null;
    this.boxes = [];
    this.takenAt = 0;
  }

  /** A new picture with its boxes; the bitmap is this element's from now on. */
  take(told, bitmap) {
    if (this.bitmap) this.bitmap.close();
    this.bitmap = bitmap;
    this.boxes = told.boxes;
    this.takenAt = performance.now() - told.age_ms;
    this.note = "";
    this.style.aspectRatio = `${told.width} / ${told.height}`;
    this.draw();
    this.dataset.seq = told.seq;
    this.dataset.boxes = told.boxes.length;
    this.showState();
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const wide = Math.round(this.clientWidth * ratio);
    const high = Math.round(this.clientHeight * ratio);
    if (!this.bitmap || !wide || !high) return;
    if (this.canvas.width !== wide || this.canvas.height !== high) {
      this.canvas.width = wide;
      this.canvas.height = high;
    }
    const pen = this.canvas.getContext("2d");
    const scale = Math.min(wide / this.bitmap.width, high / this.bitmap.height);
    const w = this.bitmap.width * scale;
    const h = this.bitmap.height * scale;
    const x = (wide - w) / 2;
    const y = (high - h) / 2;
    pen.fillStyle = "#0b0f14";
    pen.fillRect(0, 0, wide, high);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.bitmap, x, y, w, h);
    for (const box of this.boxes) drawBox(pen, box, { x, y, w, h, ratio });
  }

  showState() {
    const age = performance.now() - this.takenAt;
    let state = "live";
    if (this.note) state = this.note;
    else if (!this.takenAt) state = "none";
    else if (age > STALE_MS) state = "stale";
    if (this.dataset.state !== state) this.dataset.state = state;
    let text = "";
    if (state === "stale") text = (this.dataset.since || "{age}").replace("{age}", ageText(age));
    else if (state !== "live") text = this.dataset[state] || this.dataset.none || "";
    if (this.stateBox.textContent === text) return;
    this.stateBox.textContent = text;
    this.relabel();
  }
}

/** One track: a box with its number and the quality of its best shot; dashed where it was not seen just now. */
function drawBox(pen, box, { x, y, w, h, ratio }) {
  const [left, top, right, bottom] = box.box;
  const colour = box.quality >= 0.6 ? GOOD : box.quality >= 0.35 ? FAIR : POOR;
  const line = Math.max(1, Math.round(1.5 * ratio));
  const bx = Math.round(x + left * w);
  const by = Math.round(y + top * h);
  const bw = Math.round((right - left) * w);
  const bh = Math.round((bottom - top) * h);
  if (bw < 2 || bh < 2) return;
  pen.setLineDash(box.state === "seen" ? [] : [5 * ratio, 4 * ratio]);
  pen.lineWidth = line + 2 * ratio;
  pen.strokeStyle = "rgba(0, 0, 0, 0.65)";
  pen.strokeRect(bx, by, bw, bh);
  pen.lineWidth = line;
  pen.strokeStyle = colour;
  pen.strokeRect(bx, by, bw, bh);
  pen.setLineDash([]);
  const text = `#${box.track}  ${Math.round(box.quality * 100)} %`;
  const size = Math.round(12 * ratio);
  pen.font = `600 ${size}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  const pad = Math.round(4 * ratio);
  const tw = Math.ceil(pen.measureText(text).width) + 2 * pad;
  const th = size + pad;
  const tx = Math.max(x, Math.min(bx, x + w - tw));
  const ty = by - th - line >= y ? by - th - line : Math.min(by + bh + line, y + h - th);
  pen.fillStyle = "rgba(0, 0, 0, 0.78)";
  pen.fillRect(tx, ty, tw, th);
  pen.fillStyle = colour;
  pen.fillText(text, tx + pad, ty + th / 2);
}

/** Cut an answer into its head and its pictures; throws where it was cut short. */
function parsed(buffer) {
  const size = new DataView(buffer).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  let from = 4 + size;
  const pictures = head.cameras.map((told) => {
    if (from + told.bytes > buffer.byteLength) throw new Error("cut short");
    const blob = new Blob([new Uint8Array(buffer, from, told.bytes)], { type: "image/jpeg" });
    from += told.bytes;
    return { told, blob };
  });
  return { head, pictures };
}

/** There was no whole answer: the way, or the server, and not this script. */
class Unanswered extends Error {}

/** The loop. Pictures that cannot be had are no reason to stop asking, only to ask less often. */
class Wall {
  constructor() {
    this.running = false;
    this.seq = 0;
    this.turn = 0;
    this.failures = 0;
    this.broken = 0; // of these, those of this script itself
    this.nap = null;
    this.stopper = new AbortController();
    this.leaves = false;
  }

  /** Nothing is asked any more: the answer would only be that nobody is logged in. */
  leave() {
    this.leaves = true;
    this.stopper.abort();
    window.setTimeout(() => {
      this.leaves = false;
      this.wake();
    }, LEAVING_MS);
  }

  wake() {
    if (this.nap) this.nap();
    if (!this.running) this.run();
  }

  shown() {
    if (document.hidden || this.leaves) return [];
    return [...views].filter((view) => view.inView && view.shownCamera);
  }

  async run() {
    this.running = true;
    try {
      for (let shown = this.shown(); shown.length; shown = this.shown()) {
        const begun = performance.now();
        let pause;
        try {
          pause = await this.round(shown);
          this.failures = this.broken = 0;
        } catch (error) {
          this.failures += 1;
          this.tellBroken(error, shown);
          pause = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(this.failures, 6)) * (0.75 + 0.5 * Math.random());
        }
        await this.sleep(begun + pause - performance.now());
      }
    } finally {
      this.running = false;
    }
  }

  tellBroken(error, shown) {
    if (error instanceof Unanswered) return;
    this.broken += 1;
    if (this.broken < BROKEN_TOLD) return;
    if (this.broken === BROKEN_TOLD) console.error("Live pictures cannot be drawn:", error);
    for (const view of shown) {
      view.note = "broken";
      view.showState();
    }
  }

  /** The answer to one question; null where nobody is logged in any more. Old browsers cannot combine signals. */
  async ask(query) {
    const stopper = (this.stopper = new AbortController());
    const timer = window.setTimeout(() => stopper.abort(), ANSWER_MS);
    try {
      const answer = await fetch(`/api/live?${query}`, { cache: "no-store", signal: stopper.signal });
      if (answer.status === 401) return null;
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      return parsed(await answer.arrayBuffer());
    } catch (error) {
      throw new Unanswered(String(error));
    } finally {
      window.clearTimeout(timer);
    }
  }

  /** One question and its answer; how long after its beginning the next may follow, ms. */
  async round(shown) {
    const ids = [...new Set(shown.map((view) => view.shownCamera))];
    const from = ids.length > CAMERAS_MAX ? this.turn % ids.length : 0;
    const asked = [...ids.slice(from), ...ids.slice(0, from)].slice(0, CAMERAS_MAX);
    this.turn = from + CAMERAS_MAX;
    const width = Math.max(...shown.map((view) => view.wanted));
    const query = new URLSearchParams({ cameras: asked.join(","), width, after: this.seq, calm: "true" });
    const answer = await this.ask(query);
    if (answer === null) {
      window.location.reload(); // the session is over: the server leads to the log-in
      return RETRY_MS_MAX;
    }
    const { head, pictures } = answer;
    this.seq = head.seq;
    if (head.off || head.busy) {
      for (const view of shown) {
        if (head.off || !view.takenAt) view.note = head.off ? "off" : "busy";
        view.showState();
      }
      return head.off ? OFF_MS : 1000 * head.retry_after_s * (1 + Math.random());
    }
    await Promise.all(pictures.map(({ told, blob }) => this.show(told, blob)));
    for (const view of shown) if (view.note) view.note = "";
    return head.interval_ms;
  }

  async show(told, blob) {
    for (const view of views) {
      if (view.shownCamera !== told.id || !view.inView) continue;
      const bitmap = await createImageBitmap(blob);
      if (view.isConnected && view.shownCamera === told.id) view.take(told, bitmap);
      else bitmap.close();
    }
  }

  sleep(ms) {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = window.setTimeout(done, ms);
      const wall = this;
      function done() {
        window.clearTimeout(timer);
        wall.nap = null;
        resolve();
      }
      this.nap = this.failures ? done : null; // somebody looked again: no need to wait out a long pause
    });
  }
}

const views = new Set();
const wall = new Wall();
const sight = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) entry.target.inView = entry.isIntersecting;
    wall.wake();
  },
  { rootMargin: "120px" },
);
const sizes = new ResizeObserver((entries) => {
  for (const entry of entries) entry.target.draw();
});
document.addEventListener("visibilitychange", () => wall.wake());
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented) wall.leave();
});
window.setInterval(() => {
  for (const view of views) view.showState();
}, 1000);
if (!customElements.get(TAG)) customElements.define(TAG, LiveView);
