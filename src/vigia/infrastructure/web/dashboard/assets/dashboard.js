// Loaded by every page. When the connection is gone it finds out why: a session that ended leads to the log-in, and a
// vigia that was started again to a fresh page; while it is away, the page waits for it. It also tells vigia when nobody
// can see the page, which then is not kept up to date.
(() => {
  const EVERY_MS = 2000;
  const PATIENCE = 6; // looks that the library is given to come back by itself
  let looks = 0;
  let toldHidden = false;

  function tellSight() {
    if (!window.socket?.connected || !window.did_handshake || toldHidden === document.hidden) return;
    toldHidden = document.hidden;
    window.emitEvent("sight", !toldHidden);
  }

  async function look() {
    tellSight();
    if (!window.socket || window.socket.connected) {
      looks = 0;
      return;
    }
    looks += 1;
    try {
      const answer = await fetch("/api/session", { cache: "no-store", signal: AbortSignal.timeout(4000) });
      if (answer.status === 401 || (answer.ok && looks > PATIENCE)) window.location.reload();
    } catch {
      // Not there at all: the next look tells.
    }
  }

  (function again() {
    setTimeout(() => look().finally(again), EVERY_MS);
  })();

  document.addEventListener("visibilitychange", tellSight);

  document.addEventListener("click", (event) => {
    const copied = event.target.closest?.("[data-copy]");
    if (!copied) return;
    event.preventDefault();
    const done = () => {
      copied.classList.add("vg-copied");
      setTimeout(() => copied.classList.remove("vg-copied"), 1500);
    };
    if (navigator.clipboard) {
      navigator.clipboard.writeText(copied.dataset.copy).then(done, () => {});
    } else {
      // Without TLS and off this machine a browser has no clipboard for pages: the old way.
      const field = Object.assign(document.createElement("textarea"), { value: copied.dataset.copy });
      document.body.append(field);
      field.select();
      if (document.execCommand("copy")) done();
      field.remove();
    }
  });
})();
