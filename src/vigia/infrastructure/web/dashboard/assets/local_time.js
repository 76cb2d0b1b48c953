// A moment as the viewer's own clock shows it. One timer serves all that say "ago".
const listeners = new Set();
setInterval(() => listeners.forEach((tell) => tell()), 1000);
const language = () => document.documentElement.lang || "en";
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function clock(at) {
  const time = at.toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  if (at.toDateString() === new Date().toDateString()) return time;
  const day = { day: "numeric", month: "short" };
  if (at.getFullYear() !== new Date().getFullYear()) day.year = "numeric";
  return `${at.toLocaleDateString(language(), day)}, ${time}`;
}

function full(at) {
  return at.toLocaleString(language(), {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
    fractionalSecondDigits: 3, timeZoneName: "short",
  });
}

function ago(at) {
  const seconds = Math.max(0, (Date.now() - at.getTime()) / 1000);
  const [unit, length] = UNITS.find(([, length]) => seconds >= length) || UNITS[3];
  return new Intl.RelativeTimeFormat(language(), { numeric: "always", style: "short" }).format(
    -Math.floor(seconds / length), unit,
  );
}

export default {
  props: { at: String, form: String },
  data: () => ({ beat: 0 }),
  computed: {
    moment() {
      const at = new Date(this.at);
      return this.at && !isNaN(at) ? at : null;
    },
    shown() {
      this.beat; // looked at, so that a beat shows anew
      return this.moment ? { clock, full, ago }[this.form](this.moment) : "–";
    },
    title() {
      return this.moment ? full(this.moment) : null;
    },
  },
  mounted() {
    this.tell = () => this.beat++;
    listeners.add(this.tell);
  },
  unmounted() {
    listeners.delete(this.tell);
  },
  template: '<time :datetime="at" :title="title">{{ shown }}</time>',
};
