// What pages need beside htmx: the viewer's time zone, a question before what cannot be undone, the menu.
"use strict";

(function () {
  const ONE_YEAR = 365 * 24 * 3600;
  const ON_ITS_WAY_MS = 10000;

  function tellZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
    const known = document.cookie.split("; ").find((each) => each.startsWith("vestnik-zone="));
    const wanted = "vestnik-zone=" + encodeURIComponent(zone);
    if (known === wanted) return;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = wanted + "; Path=/; SameSite=Lax; Max-Age=" + ONE_YEAR + secure;
  }

  function askFirst(event) {
    const question = event.target.dataset && event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  }

  function onlyOnce(event) {
    // A form that is on its way is not sent a second time by a second click.
    if (event.defaultPrevented || event.target.hasAttribute("hx-post")) return;
    // Nor is it looked at: what is sent again in the same moment is sent the second time only.
    if (event.target.dataset.sent) {
      event.preventDefault();
      return;
    }
    if (event.submitter && event.submitter.formTarget) return; // a preview in a frame, as often as one likes
    event.target.dataset.sent = "yes";
    // It may stay, where somebody has stopped what was on its way.
    window.setTimeout(() => { delete event.target.dataset.sent; }, ON_ITS_WAY_MS);
  }

  function sendAgain(event) {
    // The page has come back out of the browser's memory.
    if (!event.persisted) return;
    document.querySelectorAll("[data-sent]").forEach((each) => { delete each.dataset.sent; });
  }

  function openMenu() {
    const menu = document.querySelector(".menu");
    if (menu) menu.open = window.matchMedia("(min-width: 64rem)").matches;
  }

  function pressButtons() {
    // What frames show is asked for by buttons of the page's form, one after the other: a form that is sent
    // again in the same moment is sent the second time only.
    document.querySelectorAll("button[data-press]").forEach((each, place) => {
      window.setTimeout(() => each.form.requestSubmit(each), 100 * place);
    });
  }

  function refresh(part) {
    // What is shown again and again: not while nobody looks, not while it is paused, and not when another part
    // has taken its place.
    const pause = document.querySelector(`[data-pauses="${part.id}"]`);
    let isPaused = false;
    if (pause) {
      pause.hidden = false;
      pause.addEventListener("click", () => {
        isPaused = !isPaused;
        pause.setAttribute("aria-pressed", String(isPaused));
        if (!isPaused) window.htmx.trigger(part, "refresh");
      });
    }
    const timer = setInterval(() => {
      if (!part.isConnected) clearInterval(timer);
      else if (!isPaused && !document.hidden) window.htmx.trigger(part, "refresh");
    }, Number(part.dataset.refresh) * 1000);
  }

  function refreshWhatIsNew(event) {
    if (event.target.matches("[data-refresh]")) refresh(event.target);
  }

  function keepOpen(event) {
    // What somebody has unfolded stays so when the part of the page around it is drawn again.
    const open = Array.from(event.detail.target.querySelectorAll("details[open][id]"), (each) => each.id);
    if (!open.length) return;
    const focused = document.activeElement?.id;
    event.detail.target.addEventListener("htmx:afterSwap", () => {
      open.forEach((id) => { const found = document.getElementById(id); if (found) found.open = true; });
      // htmx has tried it when they were still folded.
      const again = focused && document.getElementById(focused);
      if (again) again.focus({ preventScroll: true });
    }, { once: true });
  }

  function keepOnTrouble(event) {
    // Trouble that passes is not put in the place of what goes on asking, or of a button that can be tried again.
    const part = event.detail.requestConfig.elt;
    const status = event.detail.xhr.status;
    if (!("keeps" in part.dataset) || (status && status < 500 && status !== 429)) return;
    event.detail.shouldSwap = false;
    part.querySelectorAll("button[hidden]").forEach((each) => { each.hidden = false; });
    const said = part.querySelector(":scope > [role=alert]");
    const answer = new DOMParser().parseFromString(event.detail.xhr.responseText || "", "text/html");
    const why = answer.querySelector("[role=alert]");
    const words = why ? why.textContent : document.body.dataset.unreachable;
    if (said && said.textContent !== words) said.textContent = words; // else it would be read out again and again
  }

  tellZone();
  document.addEventListener("htmx:beforeSwap", keepOnTrouble);
  document.addEventListener("htmx:sendError", keepOnTrouble);
  document.addEventListener("submit", askFirst);
  document.addEventListener("submit", onlyOnce);
  document.addEventListener("htmx:beforeSwap", keepOpen);
  document.querySelectorAll("[data-refresh]").forEach(refresh);
  document.addEventListener("htmx:load", refreshWhatIsNew);
  openMenu();
  window.addEventListener("pageshow", sendAgain);
  // Not before: whoever was faster than this script has sent the form, and is to be heard first.
  window.addEventListener("load", pressButtons);
  window.matchMedia("(min-width: 64rem)").addEventListener("change", openMenu);
})();
