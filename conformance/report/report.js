"use strict";
const data = JSON.parse(document.getElementById("rows").textContent);
const [ID, VARIANT, OUTCOME, STATUS, REASON, CHANGE, ABOUT, BLOCK, KNOWN] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const LETTERS = { FAIL: "F", ERROR: "E", WEAK: "W", BLOCKED: "B", INFO: "i", PASS: "\u2713", "N/A": "\u2013" };
const GROUPED = new Set(["PASS", "N/A", "BLOCKED"]);
const AT_ONCE = 40;
const FIRST_ROWS = 25;
const byId = (id) => document.getElementById(id);
const cssClass = (outcome) => outcome.replace("/", "");

/** An element; texts are set as text, never as markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// Filters.

const wanted = new Set(data.outcomes);
const places = new Map(); // result id -> [case, variant]
for (const area of data.areas)
  for (const info of area.cases) {
    info.words = [info.id, info.title, ...info.requirements.flat()].join(" ").toLowerCase();
    for (const variant of info.variants) places.set(variant[ID], [info, variant]);
  }

function isShown(info, variant, words) {
  if (!wanted.has(data.outcomes[variant[OUTCOME]])) return false;
  if (!words.length) return true;
  const text = `${info.words} ${variant[VARIANT]} ${variant[REASON]} ${variant[CHANGE]} ${variant[ABOUT]} ${variant[ID]}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function chips() {
  const counts = new Map();
  for (const [, variant] of places.values()) counts.set(variant[OUTCOME], (counts.get(variant[OUTCOME]) || 0) + 1);
  data.outcomes.forEach((outcome, n) => {
    if (!counts.has(n)) return;
    byId("outcomes").append(make("button", {
      type: "button", class: `chip ${cssClass(outcome)}`, "aria-pressed": "true",
      title: `Only ${outcome}, and again for all; with Shift: several`,
      onclick: (event) => {
        const all = wanted.size === data.outcomes.length;
        const alone = wanted.size === 1 && wanted.has(outcome);
        if (event.shiftKey && !all) { if (!wanted.delete(outcome)) wanted.add(outcome); }
        else { wanted.clear(); if (!alone) wanted.add(outcome); }
        if (!wanted.size) for (const one of data.outcomes) wanted.add(one);
        for (const chip of byId("outcomes").children) chip.setAttribute("aria-pressed", wanted.has(chip.dataset.outcome));
        draw();
      },
      "data-outcome": outcome,
    }, `${counts.get(n)} ${outcome}`));
  });
}

// The matrix. A row gets its cells when it comes near the window.

let visible = []; // result ids in the order shown, for the drawer's "next"
const nearby = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { fill(entry.target); nearby.unobserve(entry.target); }
}, { rootMargin: "600px" });

function draw() {
  const level = byId("level").value, chosen = byId("area").value;
  const words = byId("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const matrix = byId("matrix");
  nearby.disconnect();
  matrix.textContent = "";
  visible = [];
  let cases = 0, drawn = 0;
  for (const area of data.areas) {
    if (chosen && area.id !== chosen) continue;
    const rows = [];
    for (const info of area.cases) {
      if (level && info.level !== level) continue;
      const variants = info.variants.filter((variant) => isShown(info, variant, words)).sort((a, b) => a[OUTCOME] - b[OUTCOME]);
      if (!variants.length) continue;
      visible.push(...variants.map((variant) => variant[ID]));
      const row = make("div", { class: "case" },
        make("div", { class: "what" }, make("b", {}, info.id), ` ${info.title} `, make("small", {}, info.level)),
        make("div", { class: "cells", role: "group", "aria-label": `Variants of ${info.id}` }));
      row.variants = variants;
      row.opened = new Set();
      row.info = info;
      rows.push(row);
    }
    if (!rows.length) continue;
    cases += rows.length;
    const title = area.title === area.id ? "" : ` ${area.title}`;
    matrix.append(make("section", { class: "area", "aria-label": area.title },
      make("h2", {}, `${area.id}${title} `, make("small", {}, `${rows.length} cases`)), ...rows));
    for (const row of rows) {
      if (drawn++ < FIRST_ROWS) fill(row);
      else nearby.observe(row);
    }
  }
  if (!cases) matrix.append(make("p", { class: "none" }, "Nothing matches the filters."));
  byId("shown").textContent = `${cases} cases, ${visible.length} variants shown`;
}

function fill(row) {
  const cells = row.querySelector(".cells");
  cells.textContent = "";
  const groups = new Map();
  for (const variant of row.variants) {
    const outcome = data.outcomes[variant[OUTCOME]];
    groups.set(outcome, [...(groups.get(outcome) || []), variant]);
  }
  for (const [outcome, variants] of groups) {
    const opened = row.opened.has(outcome);
    const room = opened ? variants.length : GROUPED.has(outcome) && variants.length > 4 ? 0 : AT_ONCE;
    cells.append(...variants.slice(0, room).map((variant) => cell(outcome, variant)));
    if (variants.length > room)
      cells.append(make("button", {
        type: "button", class: `cell ${room ? "more" : cssClass(outcome)}`, "aria-expanded": "false", tabindex: "-1",
        title: `Show the ${variants.length - room} variants`,
        onclick: () => {
          const at = cells.children.length - 1, place = [...cells.children].indexOf(document.activeElement);
          row.opened.add(outcome);
          fill(row);
          focusCell(cells, Math.min(place < 0 ? at : place, cells.children.length - 1));
        },
      }, room ? `+${variants.length - room} more` : make("b", {}, LETTERS[outcome]), room ? "" : `${variants.length} ${outcome} \u25b8`));
  }
  if (cells.firstElementChild) cells.firstElementChild.tabIndex = 0;
}

function cell(outcome, variant) {
  return make("button", {
    type: "button", class: `cell ${cssClass(outcome)}`, tabindex: "-1", "data-id": variant[ID],
    title: `${outcome} ${variant[VARIANT]}: ${variant[REASON]}`,
    onclick: () => { location.hash = variant[ID]; },
  }, make("b", {}, LETTERS[outcome]), variant[STATUS] === null ? "" : `${variant[STATUS]} `,
    variant[KNOWN] ? "(known) " : "", variant[VARIANT] || outcome);
}

// One stop of the Tab key for each row; the arrow keys go within it.
function focusCell(cells, place) {
  for (const child of cells.children) child.tabIndex = -1;
  const target = cells.children[place];
  if (target) { target.tabIndex = 0; target.focus(); }
}
byId("matrix").addEventListener("keydown", (event) => {
  const cells = event.target.closest(".cells");
  if (!cells) return;
  const all = [...cells.children], at = all.indexOf(event.target);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined || !all[to]) return;
  event.preventDefault();
  focusCell(cells, to);
});

// The drawer.

const drawer = byId("drawer");
const unpacked = new Map();

async function block(number) {
  if (!unpacked.has(number)) {
    const bytes = Uint8Array.from(atob(byId(`evidence-${number}`).textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    unpacked.set(number, JSON.parse(await new Response(stream).text()));
  }
  return unpacked.get(number);
}

async function open(id) {
  const [info, variant] = places.get(id);
  let evidence, bodies, trouble = "";
  try {
    const all = await block(variant[BLOCK]);
    [evidence, bodies] = [all.results[id], all.bodies];
  } catch (error) {
    trouble = `The evidence cannot be unpacked by this browser (${error.message}).`;
  }
  if (decodeURIComponent(location.hash.slice(1)) !== id) return; // another one was opened meanwhile
  drawer.textContent = "";
  const at = visible.indexOf(id);
  const step = (label, to) => make("button", { type: "button", ...(visible[to] && at >= 0 ? {} : { disabled: "" }),
    onclick: () => { location.hash = visible[to]; } }, label);
  const outcome = data.outcomes[variant[OUTCOME]];
  drawer.append(
    make("div", { class: "bar" }, step("\u2190 Previous", at - 1), step("Next \u2192", at + 1), make("span"),
      make("button", { type: "button", onclick: () => drawer.close(), autofocus: "" }, "\u2715 Close")),
    make("div", { class: "drawn" },
      make("h2", { id: "drawer-title" }, make("span", { class: `badge ${cssClass(outcome)}` }, outcome), ` ${info.id} ${info.title}`),
      said([
        ["variant", variant[VARIANT]],
        ["what happened", variant[REASON] + (variant[KNOWN] ? " (known: accepted by the baseline for a while)" : "")],
        ["expected", evidence?.expected],
        ["named change", variant[CHANGE]],
        ["needs", evidence?.needs],
        ["answered by", evidence?.by],
        ["what Tradecloud does", variant[REASON].includes(evidence?.fate) ? "" : evidence?.fate],
        ["what it means", ["FAIL", "WEAK"].includes(outcome) ? info.consequence : ""],
        ["fix", ["FAIL", "WEAK"].includes(outcome) ? info.fix : ""],
        ...Object.entries(["FAIL", "WEAK"].includes(outcome) ? info.hints : {}).map(([stack, hint]) => [`fix in ${stack}`, hint]),
        ["about", `${info.level}${variant[ABOUT] ? `, ${variant[ABOUT]}` : ""}`],
        ["requirements", info.requirements.filter(([, sentence]) => !sentence).map(([key]) => key).join(", ")],
        ...info.requirements.map(([key, sentence]) => [key, sentence]),
        ["result", id],
      ]),
      trouble ? make("p", { class: "troubles" }, trouble) : null,
      evidence?.curl ? make("h3", {}, "Send it again ", copyButton(() => evidence.curl)) : null,
      evidence?.curl ? make("pre", { tabindex: "0", class: "command" }, evidence.curl) : null,
      evidence?.exchanges.length ? make("h3", {}, "Evidence") : null,
      evidence ? make("div", { class: "sides" }, ...evidence.exchanges.map((one) => side(one, bodies))) : null));
  if (!drawer.open) drawer.showModal();
  drawer.scrollTop = 0;
}

function said(pairs) {
  return make("dl", { class: "said" }, ...pairs.filter(([, text]) => text).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
}

function side(exchange, bodies) {
  const { request, answer } = exchange;
  const status = answer.status === null ? `no answer: ${answer.failure}` : `answered ${answer.status}`;
  return make("section", { class: `side ${exchange.purpose}`, "aria-label": exchange.purpose },
    make("h4", {}, `${exchange.purpose}: ${status} after ${answer.seconds} s`),
    answer.note ? make("p", { class: "cut" }, answer.note) : null,
    answer.interim.length ? make("p", { class: "cut" }, `interim answers: ${answer.interim.join(", ")}`) : null,
    ...(request ? [make("h5", {}, request.plain ? "request, without TLS" : "request"), make("pre", { tabindex: "0" }, printable(request.head).trimEnd()), ...body(bodies[request.body])] : []),
    ...(answer.head ? [make("h5", {}, "answer"), make("pre", { tabindex: "0" }, printable(answer.head).trimEnd())] : []),
    ...body(bodies[answer.body]));
}

function body(stored) {
  if (!stored.length) return [];
  const shown = stored.text === undefined ? dump(stored.base64) : printable(stored.text);
  const pre = make("pre", { tabindex: "0" }, shown);
  const kept = stored.text === undefined ? atob(stored.base64).length : new TextEncoder().encode(stored.text).length;
  let pretty = null;
  try { pretty = JSON.stringify(JSON.parse(stored.text), null, 2); } catch { /* no JSON, or cut */ }
  const button = pretty === null ? null : make("button", { type: "button", "aria-pressed": "false", onclick: () => {
    const on = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "as sent" : "JSON, indented";
    pre.textContent = on ? pretty : shown;
  } }, "JSON, indented");
  return [make("h5", {}, `body, ${stored.length} bytes`, button), pre,
    kept < stored.length ? make("p", { class: "cut" }, `The first ${kept} of ${stored.length} bytes; the others are in the run's folder.`) : null].filter(Boolean);
}

/** Control characters as their symbols: what cannot be seen cannot be found. */
function printable(text) {
  return text.replace(/\r\n/g, "\n").replace(/[\x00-\x08\x0b-\x1f\x7f]/g, (char) => String.fromCharCode(char === "\x7f" ? 0x2421 : 0x2400 + char.charCodeAt(0)));
}

function dump(base64) {
  const bytes = [...atob(base64)].slice(0, 4096), lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const some = bytes.slice(at, at + 16);
    lines.push(`${at.toString(16).padStart(6, "0")}  ${some.map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join(" ").padEnd(47)}  ${some.map((c) => (c >= " " && c <= "~" ? c : ".")).join("")}`);
  }
  return lines.join("\n");
}

function copyButton(text) {
  const button = make("button", { type: "button", class: "copy", onclick: async () => {
    try { await navigator.clipboard.writeText(text()); }
    catch { // a file opened from disk may not have the right to the clipboard
      const field = make("textarea", {}, text());
      drawer.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  } }, "copy");
  return button;
}

let opener = null;
function follow() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (places.has(id)) {
    if (!drawer.open) opener = document.activeElement;
    open(id);
  } else if (drawer.open) drawer.close();
}
drawer.addEventListener("close", () => {
  history.replaceState(null, "", location.pathname + location.search);
  if (opener?.isConnected) opener.focus();
});
drawer.addEventListener("click", (event) => { if (event.target === drawer) drawer.close(); });
drawer.addEventListener("keydown", (event) => {
  if (event.target.closest("pre, input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
  const to = visible[visible.indexOf(decodeURIComponent(location.hash.slice(1))) + { ArrowRight: 1, ArrowLeft: -1 }[event.key]];
  if (to) location.hash = to;
});

byId("filters").addEventListener("submit", (event) => event.preventDefault());
for (const area of data.areas) byId("area").append(make("option", { value: area.id }, area.title === area.id ? area.id : `${area.id} ${area.title}`));
for (const id of ["level", "area"]) byId(id).addEventListener("change", draw);
let pause = 0;
byId("text").addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(draw, 120); });
addEventListener("hashchange", follow);
chips();
draw();
follow();
