// A session goes on while somebody types; where it has ended, what they have typed is not sent to the door.
//
// `data-session` of the body is the address that says whose session it is: {"who", "csrf"}, or 401.
"use strict";

(function () {
  const FRESH_MS = 60000; // Settings let no session end as soon as that.
  const who = document.body.dataset.who;
  const ended = document.getElementById("ended");
  let asked = Date.now();

  async function goesOn() {
    asked = Date.now();
    let answer;
    try {
      answer = await fetch(document.body.dataset.session, { headers: { "HX-Request": "true" } });
    } catch (error) {
      return true; // There is no network: the form will say so itself.
    }
    if (answer.ok) {
      const session = await answer.json();
      if (session.who === who) renew(session.csrf);
    }
    const hasEnded = answer.status === 401;
    if (hasEnded) asked = 0;
    ended.hidden = !hasEnded;
    return !hasEnded;
  }

  // They have logged in anew elsewhere: what stands in this page belongs to that session now.
  function renew(csrf) {
    document.querySelectorAll("input[name=csrf]").forEach((each) => { each.value = csrf; });
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRF-Token": csrf }));
  }

  async function sendIfItGoesOn(event) {
    const form = event.target;
    const { submitter } = event;
    if (form.method !== "post" || !form.closest("main") || Date.now() - asked <= FRESH_MS) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (await goesOn()) form.requestSubmit(submitter);
    else ended.scrollIntoView({ block: "center" });
  }

  document.addEventListener("input", () => { if (Date.now() - asked > FRESH_MS) goesOn(); });
  document.addEventListener("submit", sendIfItGoesOn, true);
})();
