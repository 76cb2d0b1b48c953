// Draws what the server describes: [tag, attributes, ...inner], where inner is text or the same again. A list of sixty
// cards is sixty elements for the server, and not six thousand; what changed is found here, and only that is touched.
import localTime from "/dashboard-assets/local_time.js";

const language = () => document.documentElement.lang || "en";
const twoDigits = (value) =>
  value.toLocaleString(language(), { minimumFractionDigits: 2, maximumFractionDigits: 2 });

function bar(h, share, weak) {
  const width = `${Math.round(100 * Math.min(Math.max(share, 0), 1))}%`;
  return h("span", { class: ["vg-bar", { "vg-bar--weak": weak }], "aria-hidden": "true" }, [
    h("i", { style: { width } }),
  ]);
}

// A shot's quality: the number with its bar, and on a tap its parts. Their names are said once a page.
const quality = {
  props: { value: Number, parts: Object },
  data: () => ({ open: false }),
  methods: {
    list(h) {
      const { words, weak } = window.vgParts;
      return h("dl", { class: "vg-parts__list" }, words
        .filter(([key]) => typeof this.parts[key] === "number")
        .map(([key, name, meaning]) => h("div", { class: "vg-part", title: meaning, key }, [
          h("dt", name),
          h("dd", { class: "vg-num" }, [
            bar(h, this.parts[key], this.parts[key] < weak),
            h("span", twoDigits(this.parts[key])),
          ]),
        ])));
    },
  },
  render() {
    const { h } = window.Vue;
    const { label, show, weak } = window.vgParts;
    const told = twoDigits(this.value);
    const toggle = (event) => (this.open = event.target.open);
    return h("details", { class: "vg-parts", "data-testid": "quality", onToggle: toggle }, [
      h("summary", { title: label, "aria-label": show.replace("{quality}", told) }, [
        h("span", { class: "vg-num" }, told),
        bar(h, this.value, this.value < weak),
      ]),
      this.open ? this.list(h) : null,
    ]);
  },
};

export default {
  props: { tree: Array },
  methods: {
    paint(h, part, place) {
      if (typeof part === "string") return part;
      const [tag, { act, ...attributes }, ...inner] = part;
      attributes.key = attributes.key ?? place;
      if (tag === "vg-time") return h(localTime, attributes);
      if (tag === "vg-quality") return h(quality, attributes);
      if (act) attributes.onChange = (event) => this.$emit("act", [act, event.target.checked]);
      return h(tag, attributes, inner.map((one, index) => this.paint(h, one, index)));
    },
  },
  render() {
    return this.paint(window.Vue.h, this.tree, "root");
  },
};
