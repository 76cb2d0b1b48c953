// All cameras in a table: sorted and filtered here, so that it answers at once; the rows come with what is so now.
export default {
  props: { rows: Array, columns: Array, states: Array, language: String, texts: Object },
  data() {
    return { known: this.rows, by: "", down: false, words: "", group: "", state: "" };
  },
  watch: {
    rows(rows) {
      this.known = rows;
    },
  },
  computed: {
    groups() {
      return [...new Set(this.known.map((row) => row.group).filter(Boolean))].sort();
    },
    shown() {
      const words = this.words.trim().toLocaleLowerCase();
      const found = this.known.filter(
        (row) =>
          (!words || [row.name, row.group, row.id].some((text) => text.toLocaleLowerCase().includes(words))) &&
          (!this.group || row.group === this.group) &&
          (!this.state || (this.state === "trouble" ? row.trouble : row.state === this.state)),
      );
      const compare = new Intl.Collator(this.language, { numeric: true }).compare;
      const column = this.columns.find((one) => one.key === this.by);
      found.sort((a, b) => {
        if (!column) return b.trouble - a.trouble || compare(a.name, b.name);
        const [x, y] = [a.sort[column.key], b.sort[column.key]];
        if (x === null || y === null) return (x === null) - (y === null); // what is not known comes last
        const order = column.num ? x - y : compare(x, y);
        return (this.down ? -order : order) || compare(a.name, b.name);
      });
      return found;
    },
  },
  methods: {
    patch(rows) {
      const fresh = new Map(rows.map((row) => [row.id, row]));
      this.known = this.known.map((row) => fresh.get(row.id) || row);
    },
    order(column) {
      if (this.by === column.key && this.down !== Boolean(column.num)) {
        this.by = ""; // the third time: as it was
      } else if (this.by === column.key) {
        this.down = !this.down;
      } else {
        this.by = column.key;
        this.down = Boolean(column.num); // of numbers the large ones are looked for
      }
    },
    sorted(column) {
      return this.by !== column.key ? "none" : this.down ? "descending" : "ascending";
    },
    count() {
      return this.texts.count.replace("{shown}", this.shown.length).replace("{all}", this.known.length);
    },
  },
  template: `
    <div class="vg-stack">
      <div class="vg-filters">
        <label class="vg-field"><span>{{ texts.search }}</span>
          <input type="search" v-model="words" maxlength="64" data-testid="cameras-search"></label>
        <label class="vg-field" v-if="groups.length"><span>{{ texts.group }}</span>
          <select v-model="group" data-testid="cameras-group"><option value="">{{ texts.any }}</option>
            <option v-for="one in groups" :key="one" :value="one">{{ one }}</option></select></label>
        <label class="vg-field"><span>{{ texts.state }}</span>
          <select v-model="state" data-testid="cameras-state"><option value="">{{ texts.any }}</option>
            <option value="trouble">{{ texts.trouble }}</option>
            <option v-for="one in states" :key="one.key" :value="one.key">{{ one.label }}</option></select></label>
        <span class="vg-muted" role="status" data-testid="cameras-count">{{ count() }}</span>
      </div>
      <div class="vg-card vg-card--flush"><div class="vg-scroll">
        <table class="vg-table vg-table--wide" data-testid="cameras-table">
          <thead><tr>
            <th v-for="column in columns" :key="column.key" :class="{'vg-num': column.num}" :aria-sort="sorted(column)"
              :title="column.hint || null">
              <button type="button" class="vg-sort" :data-testid="'sort-' + column.key" @click="order(column)">{{ column.label
                }}<i class="vg-icon q-icon material-icons" aria-hidden="true">{{
                sorted(column) === "none" ? "unfold_more" : down ? "arrow_downward" : "arrow_upward" }}</i></button></th>
          </tr></thead>
          <tbody>
            <tr v-for="row in shown" :key="row.id" :data-testid="'camera-row-' + row.id" :data-state="row.state">
              <td v-for="column in columns" :key="column.key" :class="{'vg-num': column.num}">
                <a v-if="column.key === 'name'" :href="row.href">{{ row.name }}</a>
                <template v-else-if="column.key === 'state'">
                  <span :class="'vg-badge vg-badge--' + row.badge.kind">
                    <i class="vg-icon q-icon material-icons" aria-hidden="true">{{ row.badge.sign }}</i>
                    <span class="vg-badge__word">{{ row.badge.word }}</span></span>
                  <div v-if="row.why" class="vg-small vg-table__why">{{ row.why }}</div>
                </template>
                <template v-else-if="column.key === 'alarms'">
                  <span v-for="alarm in row.alarms" :key="alarm" class="vg-badge vg-badge--warn">
                    <i class="vg-icon q-icon material-icons" aria-hidden="true">notification_important</i>
                    <span class="vg-badge__word">{{ alarm }}</span></span>
                </template>
                <template v-else>{{ row.cells[column.key] }}</template>
              </td>
            </tr>
            <tr v-if="!shown.length"><td :colspan="columns.length" class="vg-muted" data-testid="cameras-none">{{ texts.none }}</td></tr>
          </tbody>
        </table></div></div>
    </div>`,
};
