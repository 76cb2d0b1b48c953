// The run over time: one request brings all series, every chart draws its own. Asks only while somebody looks.
import { echarts } from "nicegui-echart";

const GROUP = "vigia-run";
const SHORT_S = 900;
const NARROW_PX = 600;
const YOUNG_MS = 60_000;
const BRIEF_MS = 480_000; // so that no two marks read the same

function everyMs(span) {
  return span <= SHORT_S ? 5000 : span <= 3600 ? 10000 : 30000;
}

function colours() {
  const style = getComputedStyle(document.body);
  const read = (name) => style.getPropertyValue(`--vg-${name}`).trim();
  return {
    ink: read("ink"), soft: read("soft"), line: read("line"), card: read("card"), bad: read("bad"),
    series: [1, 2, 3, 4].map((n) => read(`series-${n}`)),
  };
}

export default {
  props: { charts: Array, spans: Array, language: String, texts: Object },
  data() {
    return { span: this.spans[0].seconds, latest: {}, failed: false, empty: true };
  },
  mounted() {
    this.drawn = new Map();
    this.found = null;
    for (const chart of this.charts) {
      const place = this.$refs[chart.key][0];
      const made = echarts.init(place, null, { renderer: "canvas" });
      made.group = GROUP;
      this.drawn.set(chart.key, made);
    }
    echarts.connect(GROUP);
    this.sizes = new ResizeObserver(() => this.drawn.forEach((made) => made.resize()));
    this.sizes.observe(this.$el);
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.seen = () => document.hidden || this.look();
    document.addEventListener("visibilitychange", this.seen);
    this.look();
  },
  beforeUnmount() {
    this.over = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
    this.sizes.disconnect();
    this.theme.disconnect();
    this.drawn.forEach((made) => made.dispose());
  },
  methods: {
    choose(seconds) {
      this.span = seconds;
      this.look();
    },
    async look() {
      clearTimeout(this.timer);
      if (this.over || document.hidden) return;
      const span = this.span;
      const points = window.innerWidth < NARROW_PX ? 180 : 360;
      try {
        const answer = await fetch(`/api/history?span_s=${span}&points=${points}`, {
          cache: "no-store", signal: AbortSignal.timeout(15000),
        });
        if (!answer.ok) throw new Error(String(answer.status));
        const found = await answer.json();
        if (this.over || span !== this.span) return; // another span was chosen meanwhile: its answer comes
        this.found = found;
        this.failed = false;
        this.draw();
      } catch {
        this.failed = true;
      }
      if (!this.over && span === this.span) {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.look(), everyMs(span));
      }
    },
    told(value, digits) {
      if (value === null || value === undefined) return "–";
      return new Intl.NumberFormat(this.language, { maximumFractionDigits: digits }).format(value);
    },
    moment(ms, precise) {
      const form = { hour: "2-digit", minute: "2-digit" };
      if (precise) form.second = "2-digit";
      return new Date(ms).toLocaleTimeString(this.language, form);
    },
    draw() {
      if (!this.found || this.over) return;
      const times = this.found.at_unix_s.map((at) => at * 1000);
      this.empty = times.length < 2;
      const end = Date.now();
      const latest = {};
      for (const chart of this.charts) {
        latest[chart.key] = chart.series.map((series) => {
          const values = this.found[series.name] || [];
          const known = chart.sparse ? values.filter((value) => value !== null) : values;
          return this.told(known[known.length - 1], chart.digits);
        });
        this.drawn.get(chart.key).setOption(this.options(chart, times, end), { replaceMerge: ["series"] });
      }
      this.latest = latest;
    },
    options(chart, times, end) {
      const theme = colours();
      const limits = (chart.limits || []).filter((limit) => limit.value);
      // A run younger than the span fills the chart all the same.
      const begin = Math.min(Math.max(end - this.span * 1000, times[0] || 0), end - YOUNG_MS);
      const most = Math.max(0, ...limits.map((limit) => limit.value));
      const axis = { axisLine: { lineStyle: { color: theme.line } }, axisTick: { show: false } };
      const label = { color: theme.soft, fontSize: 11 };
      return {
        animation: false,
        textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
        color: theme.series,
        grid: { left: 4, right: 28, top: 12, bottom: 4, containLabel: true },
        tooltip: {
          trigger: "axis", confine: true, backgroundColor: theme.card, borderColor: theme.line,
          textStyle: { color: theme.ink, fontSize: 12 }, axisPointer: { lineStyle: { color: theme.soft } },
          formatter: (shown) => {
            const lines = shown.map(
              (one) => `${one.marker}${one.seriesName}: <b>${this.told(one.value[1], chart.digits)}</b> ${chart.unit}`,
            );
            return [this.moment(shown[0].axisValue, true), ...lines].join("<br>");
          },
        },
        xAxis: {
          type: "time", min: begin, max: end, splitLine: { show: false }, splitNumber: 4, ...axis,
          axisLabel: { ...label, hideOverlap: true, formatter: (at) => this.moment(at, end - begin < BRIEF_MS) },
        },
        yAxis: {
          type: "value", min: 0, max: most ? (found) => Math.max(found.max, most) * 1.08 : null,
          minInterval: chart.digits ? 0 : 1, splitNumber: 3,
          splitLine: { lineStyle: { color: theme.line } }, ...axis,
          axisLine: { show: false },
          axisLabel: { ...label, showMaxLabel: !most, formatter: (value) => this.told(value, 3) },
        },
        series: chart.series.map((series, index) => ({
          type: "line",
          name: series.label,
          data: times.map((at, n) => [at, this.found[series.name]?.[n] ?? null]),
          showSymbol: Boolean(chart.sparse),
          symbolSize: 4,
          connectNulls: Boolean(chart.sparse),
          lineStyle: { width: 1.5 },
          areaStyle: chart.series.length === 1 ? { opacity: 0.12 } : null,
          emphasis: { disabled: true },
          markLine: index || !limits.length ? undefined : {
            silent: true, symbol: "none", animation: false,
            lineStyle: { color: theme.bad, type: "dashed", width: 1 },
            data: limits.map((limit) => ({
              yAxis: limit.value,
              label: {
                formatter: `${limit.label}: ${this.told(limit.value, chart.digits)}`, color: theme.bad,
                position: "insideStartTop", fontSize: 11,
              },
            })),
          },
        })),
      };
    },
  },
  template: `
    <div class="vg-stack">
      <div class="vg-row vg-row--apart">
        <div class="vg-row" role="group" :aria-label="texts.span">
          <button v-for="one in spans" :key="one.seconds" type="button" class="vg-button"
            :aria-pressed="one.seconds === span ? 'true' : 'false'" :data-testid="'span-' + one.seconds"
            @click="choose(one.seconds)">{{ one.label }}</button>
        </div>
        <span v-if="failed" class="vg-badge vg-badge--warn" role="status" data-testid="charts-failed">{{ texts.failed }}</span>
        <span v-else-if="empty" class="vg-muted" role="status" data-testid="charts-empty">{{ texts.empty }}</span>
      </div>
      <div class="vg-plots">
        <figure v-for="chart in charts" :key="chart.key" class="vg-card vg-plot" :data-testid="'chart-' + chart.key">
          <figcaption class="vg-plot__head">
            <h3>{{ chart.title }} <span class="vg-muted vg-small">{{ chart.unit }}</span></h3>
            <p v-if="chart.series.length === 1" class="vg-plot__now vg-num" :title="chart.hint">
              {{ (latest[chart.key] || ["–"])[0] }}</p>
          </figcaption>
          <p v-if="chart.series.length > 1" class="vg-plot__key vg-small">
            <span v-for="(one, n) in chart.series" :key="one.name"><i :class="'vg-key vg-key--' + (n + 1)"></i>{{ one.label }}
              <b class="vg-num">{{ (latest[chart.key] || [])[n] }}</b></span></p>
          <div class="vg-plot__field" :ref="chart.key" role="img"
            :aria-label="chart.title + ': ' + (latest[chart.key] || []).join(', ') + ' ' + chart.unit"></div>
          <p v-if="chart.hint" class="vg-muted vg-small">{{ chart.hint }}</p>
        </figure>
      </div>
    </div>`,
};
