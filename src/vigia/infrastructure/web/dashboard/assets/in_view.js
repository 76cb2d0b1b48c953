// Says when it comes into sight and when it goes: the page's newest things are added only while their place is seen.
export default {
  mounted() {
    this.observer = new IntersectionObserver((entries) => this.$emit("seen", entries[entries.length - 1].isIntersecting));
    this.observer.observe(this.$el);
  },
  unmounted() {
    this.observer.disconnect();
  },
  template: '<div class="vg-in-view" aria-hidden="true"></div>',
};
