// A file that is sent in parts, with its progress and a report of its bad lines.
//
//   <form class="upload" data-upload="ADDRESS" data-lines="5000" data-max="100000" data-header="keep|none|NAME">
//     <input type="file"> <button data-start> <button type="button" data-stop hidden>
//     <progress hidden value="0" max="1"></progress> <div class="told" role="status"></div> <div class="report"></div>
//   </form>
//
// `uploads.html` has it as a macro, with all words in `data-words-…`. A box inside another form does as well:
// it begins by a click on [data-start]. `data-header`: `keep` has each part begin with the file's first line,
// a name does so if one of the first line's columns has it.
//
// Each part is POSTed as text/csv to ADDRESS?part=<from 1>&parts=<how many>&header=<lines that its kept header
// takes>&first=<number in the file of the first line behind that header>, so that the line i of a part, from 1,
// is the file's line first + i - 1 - header. The answer: {"lines", "imported", "rejected",
// "errors": [{"line" (of the file), "field", "reason"}], "html"?: a piece of a page to show below the report}.
//
// With `data-begin` that address is asked first, and answers {"upload": ADDRESS, "fields": {name: value}}; the
// fields are set in the form that the box is in, and emptied when another file is chosen. With `data-agree` nothing of a part with bad lines is taken at
// first; a button then sends those parts once more, with &agreed=yes. What a part's answer names as `staged` is
// taken only when all parts are here: those names, one a line, are POSTed to ADDRESS/taken, whose answer has the
// number of `parts` for the field `uploaded_parts`; what `data-reveal` selects is shown and the page
// `data-go` is gone to, if nothing is left to agree to; and the box gets `upload:done`.
"use strict";

(function () {
  const MOST_SHOWN = 100;
  const TRIES = 5;
  const MOST_BYTES = 4000000;

  class Refusal extends Error {}

  function wordsOf(box, name, ...values) {
    const said = box.getAttribute("data-words-" + name) || name;
    return values.reduce((text, value, place) => text.replace("{" + place + "}", value), said);
  }

  function number(value) {
    return String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  }

  async function textOf(box, file) {
    let text;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    } catch (error) {
      throw new Refusal(wordsOf(box, error instanceof TypeError ? "no-text" : "unreadable"));
    }
    if (text.includes("\0")) throw new Refusal(wordsOf(box, "no-text"));
    return text; // the decoder has dropped the byte-order mark
  }

  // The records of a CSV: {text, line, lines}. A quotation, which only a cell's beginning opens, may have line
  // breaks. Blank ones are left out.
  function recordsOf(text) {
    const first = text.trimStart().split("\n", 1)[0];
    const delimiter = [",", ";", "\t"].find((each) => first.includes(each)) || ",";
    const records = [];
    let start = 0, line = 1, breaks = 0, quoted = false, atStart = true;
    const end = (at) => {
      const record = text.slice(start, at);
      if (record.trim()) records.push({ text: record, line: line, lines: breaks + 1 });
      line += breaks + 1;
      breaks = 0;
      atStart = true;
    };
    for (let at = 0; at < text.length; at += 1) {
      const each = text[at];
      if (each === "\n" || each === "\r") {
        const isPair = each === "\r" && text[at + 1] === "\n";
        if (quoted) breaks += 1;
        else end(at);
        if (isPair) at += 1;
        if (!quoted) start = at + 1;
      } else if (each === '"' && quoted) {
        if (text[at + 1] === '"') at += 1;
        else quoted = false;
      } else if (each === '"' && atStart) {
        quoted = true;
        atStart = false;
      } else {
        atStart = each === delimiter && !quoted;
      }
    }
    if (start < text.length) end(text.length);
    return records;
  }

  function headerOf(box, records) {
    const wanted = box.dataset.header || "none";
    if (wanted === "none" || !records.length) return null;
    if (wanted === "keep") return records[0];
    const cells = records[0].text.split(/[,;\t]/).map((cell) => cell.trim().replace(/^"|"$/g, "").trim());
    return cells.some((cell) => cell.toLowerCase() === wanted) ? records[0] : null;
  }

  // Records with the blank lines between them, so that the server counts as the file does.
  function asInFile(records) {
    let next = records[0].line;
    return records.reduce((text, each) => {
      const blank = "\n".repeat(each.line - next);
      next = each.line + each.lines;
      return text + blank + each.text + "\n";
    }, "");
  }

  function partsOf(box, text) {
    const records = recordsOf(text);
    const header = headerOf(box, records);
    if (header) records.shift();
    if (!records.length) throw new Refusal(wordsOf(box, "empty"));
    const most = Number(box.dataset.max || Infinity);
    if (records.length > most) {
      throw new Refusal(wordsOf(box, "too-many", number(records.length), number(most)));
    }
    const size = Number(box.dataset.lines || 5000);
    const parts = [];
    for (let at = 0; at < records.length; at += size) {
      const some = records.slice(at, at + size);
      const body = new Blob([(header ? header.text + "\n" : "") + asInFile(some)]);
      if (body.size > MOST_BYTES) throw new Refusal(wordsOf(box, "too-long", number(some[0].line)));
      parts.push({
        number: parts.length + 1,
        first: some[0].line,
        header: header ? header.lines : 0,
        records: some,
        body: body,
      });
    }
    return parts;
  }

  function csrfOf(box) {
    const field = box.querySelector("input[name=csrf]") || document.querySelector("input[name=csrf]");
    if (field) return field.value;
    return JSON.parse(document.body.getAttribute("hx-headers") || "{}")["X-CSRF-Token"] || "";
  }

  async function problemOf(box, answer) {
    const text = await answer.text();
    if ((answer.headers.get("Content-Type") || "").startsWith("text/html")) {
      const said = new DOMParser().parseFromString(text, "text/html").querySelector("[role=alert]");
      if (said) return said.textContent.trim();
    }
    if (answer.status === 401) return wordsOf(box, "ended");
    return wordsOf(box, "refused", answer.status);
  }

  async function post(box, run, address, body) {
    for (let tries = 1; ; tries += 1) {
      let wait = Math.min(2 ** tries, 20);
      try {
        const answer = await fetch(address, {
          method: "POST",
          body: body,
          credentials: "same-origin",
          headers: { "Content-Type": "text/csv", "X-CSRF-Token": csrfOf(box), "HX-Request": "true" },
          signal: run.stop.signal,
        });
        if (answer.ok && (answer.headers.get("Content-Type") || "").startsWith("application/json")) {
          return await answer.json();
        }
        if (answer.status < 500 && answer.status !== 429) throw new Refusal(await problemOf(box, answer));
        wait = Math.min(Number(answer.headers.get("Retry-After")) || wait, 60);
      } catch (error) {
        if (error instanceof Refusal || run.stop.signal.aborted) throw error;
      }
      if (tries === TRIES) throw new Refusal(wordsOf(box, "no-answer"));
      say(box, wordsOf(box, "again", wait), "warn");
      await new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, wait * 1000);
        run.stop.signal.addEventListener("abort", () => { clearTimeout(timer); reject(new Error("stopped")); });
      });
    }
  }

  function withQuery(address, values) {
    return address + (address.includes("?") ? "&" : "?") + new URLSearchParams(values).toString();
  }

  function element(name, text, kind) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  function say(box, text, kind) {
    const told = box.querySelector(".told");
    const said = told.querySelector(".said") || told.appendChild(element("p"));
    said.className = "said " + (kind || "");
    said.textContent = text;
  }

  function tableOf(box, run) {
    const errors = run.errors.sort((one, other) => one.line - other.line);
    const wrapper = element("div", undefined, "table");
    const table = wrapper.appendChild(element("table", undefined, "rows"));
    table.appendChild(element("caption", wordsOf(box, "bad-lines")));
    const fields = errors.some((each) => each.field) ? ["line", "field", "reason"] : ["line", "reason"];
    const head = table.appendChild(element("thead")).appendChild(element("tr"));
    fields.forEach((each) => head.appendChild(element("th", wordsOf(box, each))).setAttribute("scope", "col"));
    const rows = table.appendChild(element("tbody"));
    errors.slice(0, MOST_SHOWN).forEach((each) => {
      const row = rows.appendChild(element("tr"));
      fields.forEach((name) => {
        const cell = element("td", name === "line" ? number(each.line) : each[name] || "");
        row.appendChild(cell).setAttribute("data-label", wordsOf(box, name));
      });
    });
    const more = run.rejected - Math.min(errors.length, MOST_SHOWN);
    if (more > 0) wrapper.appendChild(element("p", wordsOf(box, "more", number(more)), "help more"));
    return wrapper;
  }

  function set(box, values) {
    const form = box.closest("form");
    Object.entries(values).forEach(([name, value]) => {
      const field = form && form.elements[name];
      if (field) field.value = value;
    });
  }

  function show(box, run) {
    const progress = box.querySelector("progress");
    progress.max = run.all;
    progress.value = run.done;
    const percent = Math.floor((100 * run.done) / run.all);
    say(box, wordsOf(box, "sending", number(run.done), number(run.all), percent));
  }

  async function send(box, run, parts, agreed) {
    for (const part of parts) {
      const query = { first: part.first, header: part.header, part: part.number, parts: run.parts.length };
      if (agreed) query.agreed = "yes";
      const answer = await post(box, run, withQuery(run.address, query), part.body);
      run.done += part.records.length;
      run.imported += answer.imported;
      if (answer.imported) run.taken += 1;
      run.rejected += answer.rejected;
      if (answer.rejected) run.bad.push(part);
      run.errors.push(...(answer.errors || []).slice(0, Math.max(MOST_SHOWN - run.errors.length, 0)));
      if (answer.staged) run.staged.push(answer.staged);
      if (answer.html) run.html.push(answer.html);
      show(box, run);
    }
  }

  async function finish(box, run, agreed) {
    const report = box.querySelector(".report");
    const isWhole = !box.hasAttribute("data-agree") || agreed || !run.rejected;
    if (isWhole && run.staged.length) {
      const answer = await post(box, run, run.address.replace(/(\?|$)/, "/taken$1"), run.staged.join("\n"));
      run.taken = answer.parts;
      if (box.dataset.begin) delete box.begun;
    }
    const said = isWhole ? "done" : "to-agree";
    say(box, wordsOf(box, said, number(run.imported), number(run.rejected)), run.rejected ? "warn" : "good");
    if (run.rejected) report.appendChild(tableOf(box, run));
    run.html.forEach((html) => {
      const found = new DOMParser().parseFromString(html, "text/html").body;
      report.append(...Array.from(found.childNodes, (each) => document.importNode(each, true)));
    });
    if (isWhole) {
      set(box, { uploaded_parts: run.taken });
      if (box.dataset.reveal) {
        document.querySelectorAll(box.dataset.reveal).forEach((each) => each.removeAttribute("hidden"));
      }
      if (box.dataset.go && run.imported) location.assign(box.dataset.go);
    } else {
      const agree = element("button", wordsOf(box, "agree", number(run.rejected)), "danger");
      agree.type = "button";
      agree.addEventListener("click", () => begin(box, run, run.bad));
      report.appendChild(agree);
    }
    box.dispatchEvent(new CustomEvent("upload:done", { bubbles: true, detail: { isWhole, ...run } }));
  }

  // A second run, of what was agreed to, goes on with what the first has found.
  async function begin(box, before, again) {
    const [start, stop] = [box.querySelector("[data-start]"), box.querySelector("[data-stop]")];
    const [progress, report] = [box.querySelector("progress"), box.querySelector(".report")];
    const file = box.querySelector("input[type=file]").files[0];
    if (!before && !file) {
      say(box, wordsOf(box, "choose"), "bad");
      return;
    }
    const run = { stop: new AbortController(), done: 0, taken: 0, imported: 0, rejected: 0, staged: [], bad: [], errors: [], html: [] };
    report.replaceChildren();
    say(box, wordsOf(box, "reading"));
    start.disabled = true;
    stop.hidden = progress.hidden = false;
    progress.removeAttribute("value");
    stop.onclick = () => run.stop.abort();
    try {
      run.parts = before ? before.parts : partsOf(box, await textOf(box, file));
      run.all = run.parts.reduce((sum, part) => sum + part.records.length, 0);
      run.address = before ? before.address : box.dataset.upload;
      if (before) {
        run.done = run.all - again.reduce((sum, part) => sum + part.records.length, 0);
        run.imported = before.imported;
        run.taken = before.taken;
        run.staged = before.staged.slice();
      } else if (box.dataset.begin) {
        // Nothing is in one whose file did not come to its end: the next file can have it.
        const begun = box.begun || await post(box, run, box.dataset.begin, "");
        box.begun = begun;
        run.address = new URL(begun.upload, new URL(box.dataset.begin, location.href)).href;
        set(box, begun.fields);
      }
      show(box, run);
      await send(box, run, before ? again : run.parts, Boolean(before));
      await finish(box, run, Boolean(before));
    } catch (error) {
      if (run.stop.signal.aborted) say(box, wordsOf(box, "stopped"), "warn");
      else if (error instanceof Refusal) say(box, error.message, "bad");
      else {
        say(box, wordsOf(box, "broken"), "bad");
        console.error(error);
      }
    } finally {
      start.disabled = false;
      stop.hidden = progress.hidden = true;
    }
  }

  document.querySelectorAll(".upload").forEach((box) => {
    box.querySelector("input[type=file]").addEventListener("change", () => {
      // The former file is not what the page names as chosen any more.
      set(box, { uploaded_id: "", uploaded_parts: "" });
      const said = box.parentElement.querySelector("[data-uploaded]");
      if (said) said.hidden = true;
      box.querySelectorAll(".told, .report").forEach((each) => each.replaceChildren());
    });
    if (box.tagName === "FORM") {
      box.addEventListener("submit", (event) => {
        event.preventDefault();
        begin(box);
      });
    } else {
      box.querySelector("[data-start]").addEventListener("click", () => begin(box));
    }
  });
})();
