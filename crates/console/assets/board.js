"use strict";
// The board and the page of one incident. Polls one document every two seconds. Everything that
// comes from outside (a title is another monitor's text) goes into the page as text, never as HTML.

const WORDS = {
  id: {
    now: "Yang perlu Anda sekarang", calm: "TENANG", nothing: "Tidak ada insiden terbuka.",
    resolved: "Baru selesai", sites: "Situs", targets: "Perangkat", desks: "Sistem tiket",
    windows: "Pemeliharaan dan senyap", tool: "Alat ini", since: "sejak", for: "selama",
    root: "akar masalah", scope: "cakupan", devices: "perangkat", site: "situs", services: "layanan", users: "pengguna",
    ticket: "tiket", pending: "tiket tertunda", doubtful: "tiket belum pasti, sedang diperiksa",
    dry: "latihan (dry-run), tidak dikirim", noticket: "tanpa tiket (P4 hanya dicatat)", passed: "tanpa tiket, sudah berakhir", attempt: "percobaan",
    told: "tiket belum sama dengan insiden",
    beat: "data {0} lalu", first: "menghubungi …",
    dead: "TIDAK ADA KABAR dari kentongan sejak {0}. Papan ini bukan keadaan sekarang.",
    stuck: "INTI BERHENTI: mesin keputusan tidak berputar sejak {0}. Papan ini bukan keadaan sekarang.",
    unwritable: "JURNAL TIDAK BISA DITULIS: {0}",
    behind: "Inti tertinggal {0} kejadian; papan ini belum keadaan sekarang.",
    refused: "Konfigurasi baru ditolak, yang lama masih berlaku: {0}",
    probefail: "Pengukur tidak bisa bertanya: {0}", blind: "Pengukur buta, yang di belakangnya tidak diketahui: {0}",
    new: "belum diakui", assigned: "ditangani", "in-progress": "dikerjakan", "on-hold": "menunggu pihak luar",
    wresolved: "selesai", closed: "ditutup", by: "oleh", acked: "diakui",
    failing: "gagal", clear: "pulih", cunknown: "tidak diketahui", masked: "tertutup gangguan lain",
    up: "hidup", down: "mati", suspect: "dicurigai", flapping: "naik-turun", unknown: "tidak diketahui", snew: "belum ditanya", maintenance: "pemeliharaan",
    good: "baik", partly: "sebagian mati",
    name: "nama", state: "keadaan", class: "jenis", rtt: "RTT", loss: "hilang", seen: "terakhir terlihat", incident: "insiden",
    all: "Tampilkan semua ({0})", fewer: "Hanya yang terburuk", filter: "saring …", none: "tidak ada",
    reachable: "terjangkau", unreachable: "TIDAK TERJANGKAU", unasked: "belum ditanya", waiting: "menunggu", oldest: "tertua", indoubt: "belum pasti",
    events: "kejadian", samples: "sampel/detik", held: "ditahan menunggu bukti", suppressed: "ditahan oleh akar masalah", flaps: "naik-turun",
    heartbeat: "detak ke luar", off: "tidak diatur", journal: "jurnal", version: "versi", probe: "pengukur", targetsof: "{0} target",
    until: "sampai", hides: "menahan {0} alarm", silence: "senyap", planned: "direncanakan",
    back: "← papan", why: "Mengapa", otherwise: "Yang akan mengubahnya", diary: "Buku harian", affected: "Terdampak", alarms: "Alarm sekarang", tickets: "Tiket",
    verdicts: "Putusan atas kejadiannya", left: "… dan {0} baris lain yang tidak disimpan",
    act: "Tindakan", you: "Nama Anda", text: "Catatan", ack: "Akui", note: "Catat", token: "Token", sent: "Tercatat (kejadian {0}).", need: "Isi nama Anda.", needtext: "Isi catatan.",
    missing: "Tidak ada yang bernama {0}.", more: "dan {0} lagi", light: "terang", dark: "gelap", newincident: "Insiden baru", recurrence: "kambuhan dari", merged: "digabung ke",
    openof: "{0} dari {1} ditampilkan", notes: "Catatan", opened: "dibuka",
    units: ["dtk", "mnt", " jam", " hari"], or: "atau", past: "{0} lalu", running: "berjalan {0}", zone: { "Asia/Jakarta": "WIB", "Asia/Makassar": "WITA", "Asia/Jayapura": "WIT" },
  },
  en: {
    now: "What needs you now", calm: "QUIET", nothing: "No open incident.",
    resolved: "Resolved lately", sites: "Sites", targets: "Devices", desks: "Ticket desks",
    windows: "Maintenance and silences", tool: "This tool", since: "since", for: "for",
    root: "root cause", scope: "scope", devices: "devices", site: "sites", services: "services", users: "users",
    ticket: "ticket", pending: "ticket pending", doubtful: "ticket in doubt, being looked up",
    dry: "dry run, not sent", noticket: "no ticket (P4 is for the record)", passed: "no ticket, it had passed", attempt: "attempt",
    told: "the ticket is not yet as the incident is",
    beat: "data {0} ago", first: "connecting …",
    dead: "NO WORD from kentongan since {0}. This board is not the present state.",
    stuck: "THE CORE STANDS STILL since {0}. This board is not the present state.",
    unwritable: "THE JOURNAL CANNOT BE WRITTEN: {0}",
    behind: "The core is {0} events behind; this board is not yet the present state.",
    refused: "The new configuration was refused, the old one is in force: {0}",
    probefail: "The probe cannot ask: {0}", blind: "A probe is blind, what is behind it is unknown: {0}",
    new: "not acknowledged", assigned: "taken", "in-progress": "in progress", "on-hold": "on hold",
    wresolved: "resolved", closed: "closed", by: "by", acked: "acknowledged",
    failing: "failing", clear: "recovered", cunknown: "unknown", masked: "masked by another failure",
    up: "up", down: "down", suspect: "suspect", flapping: "flapping", unknown: "unknown", snew: "not asked yet", maintenance: "maintenance",
    good: "good", partly: "partly down",
    name: "name", state: "state", class: "class", rtt: "RTT", loss: "loss", seen: "last seen", incident: "incident",
    all: "Show all ({0})", fewer: "Only the worst", filter: "filter …", none: "none",
    reachable: "reachable", unreachable: "NOT REACHABLE", unasked: "not asked yet", waiting: "waiting", oldest: "oldest", indoubt: "in doubt",
    events: "events", samples: "samples/s", held: "held for evidence", suppressed: "suppressed by a root", flaps: "flapping",
    heartbeat: "heartbeat to the outside", off: "not configured", journal: "journal", version: "version", probe: "probe", targetsof: "{0} targets",
    until: "until", hides: "holds back {0} alarms", silence: "silence", planned: "planned",
    back: "← board", why: "Why", otherwise: "What would have changed it", diary: "Diary", affected: "Affected", alarms: "Alarms now", tickets: "Tickets",
    verdicts: "Verdicts on its events", left: "… and {0} more lines that were not kept",
    act: "Actions", you: "Your name", text: "Note", ack: "Acknowledge", note: "Add note", token: "Token", sent: "Recorded (event {0}).", need: "Fill in your name.", needtext: "Fill in the note.",
    missing: "Nothing is called {0}.", more: "and {0} more", light: "light", dark: "dark", newincident: "New incident", recurrence: "recurrence of", merged: "merged into",
    openof: "{0} of {1} shown", notes: "Notes", opened: "opened",
    units: ["s", "m", "h", "d"], or: "or", past: "{0} ago", running: "up {0}", zone: { "Asia/Jakarta": "WIB", "Asia/Makassar": "WITA", "Asia/Jayapura": "WIT" },
  },
};
const SIGN = { P1: "▲", P2: "◆", P3: "●", P4: "○" };
const STATE_SIGN = { up: "·", down: "▼", suspect: "◌", flapping: "≋", unknown: "?", new: "–", maintenance: "⧗", good: "·", partly: "◐" };
const POLL_MS = 2000, STALE_S = 10, BEAT_MAX_MS = 15000;

const params = new URLSearchParams(location.search);
const remembered = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* a private window */ } };
let lang = ["id", "en"].includes(params.get("lang")) ? params.get("lang") : remembered("lang");
if (params.get("lang") === lang && lang) remember("lang", lang);
let theme = ["light", "dark"].includes(params.get("theme")) ? params.get("theme") : remembered("theme") || "dark";

const $ = (id) => document.getElementById(id);
const t = (key, ...args) => args.reduce((s, a, i) => s.replace(`{${i}}`, () => a), (WORDS[lang] || WORDS.id)[key] ?? key);

// An element with text and elements in it; there is no way to hand it HTML.
function h(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (v === null || v === undefined || v === false) continue;
    if (k === "class") e.className = v;
    else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? "" : v);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
  return e;
}
// A link out of a text that came from a desk: only where a browser goes by itself, never script.
function out(url, ...children) {
  try {
    const u = new URL(url, location.href);
    if (u.protocol === "http:" || u.protocol === "https:") {
      const here = u.origin === location.origin;
      return h("a", { href: u.href, rel: "noopener noreferrer", target: here ? null : "_blank" }, ...children);
    }
  } catch { /* no link then */ }
  return h("span", {}, ...children);
}

let offset = 0, lastOk = null, status = null, zone = "Asia/Jakarta";
const now = () => performance.timeOrigin + performance.now() + offset;
const clock = (ms, withSeconds) => {
  const o = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
  if (withSeconds) o.second = "2-digit";
  return new Intl.DateTimeFormat(lang === "en" ? "en-GB" : "id-ID", o).format(ms).replaceAll(".", ":");
};
const day = (ms) => new Intl.DateTimeFormat(lang === "en" ? "en-GB" : "id-ID",
  { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: zone }).format(ms);
const zoneName = () => WORDS[lang].zone[zone] || zone;
function span(ms) {
  const [s, m, hr, d] = WORDS[lang].units;
  const n = Math.max(0, Math.floor(ms / 1000));
  if (n < 60) return `${n} ${s}`;
  if (n < 3600) return `${Math.floor(n / 60)} ${m}`;
  const two = (v) => String(v).padStart(2, "0");
  const gap = lang === "en" ? "" : " ";
  if (n < 86400) return `${Math.floor(n / 3600)}${hr}${gap}${two(Math.floor(n / 60) % 60)}${gap}${m}`;
  return `${Math.floor(n / 86400)}${d} ${Math.floor(n / 3600) % 24}${hr}`;
}
// "12 m", kept up to date by the second; `words` puts it into a phrase ("12 m lalu").
const wording = (iso, words) => words ? t(words, span(now() - Date.parse(iso))) : span(now() - Date.parse(iso));
const ago = (iso, words) => h("span", { "data-since": iso, "data-words": words, title: iso }, wording(iso, words));
const at = (iso) => {
  const ms = Date.parse(iso), today = day(ms) === day(now());
  return h("time", { datetime: iso, title: `${day(ms)} ${clock(ms, true)} ${zoneName()}` }, (today ? "" : `${day(ms).split(",").pop().trim()} `) + clock(ms));
};
const num = (n, digits = 0) => new Intl.NumberFormat(lang === "en" ? "en-GB" : "id-ID", { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(n);
const sign = (s) => h("span", { class: "sign", "aria-hidden": "true" }, s);

// Puts children into a place only when what they show has changed, so that focus and selection stay.
const shown = new Map();
function put(id, data, make) {
  const key = JSON.stringify([lang, data]);
  const place = $(id);
  if (!place || (shown.get(id)?.key === key && shown.get(id)?.place === place)) return;
  shown.set(id, { key, place });
  const focus = document.activeElement?.id;
  place.replaceChildren(...[make(data)].flat(Infinity).filter(Boolean));
  if (focus && document.activeElement === document.body) $(focus)?.focus();
}

async function get(path) {
  const r = await fetch(path, { headers: { accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(8000) });
  const doc = await r.json();
  if (!r.ok) throw Object.assign(new Error(doc.detail || r.statusText), { status: r.status });
  return doc;
}

// ── heartbeat, clock, head ────────────────────────────────────────────────────────────────────
let odd = false;
function beat(s) {
  status = s;
  lastOk = performance.now();
  offset = Date.parse(s.now) - (performance.timeOrigin + performance.now());
  zone = s.timezone || zone;
  try { new Intl.DateTimeFormat("en", { timeZone: zone }); } catch { zone = "UTC"; }
  if (!lang) lang = s.language === "en" ? "en" : "id";
  if (s.core.beat_age_ms <= BEAT_MAX_MS) { odd = !odd; $("beat").className = odd ? "a" : "b"; }
  chrome();
  tick();
}
function chrome() {
  document.documentElement.lang = lang || "id";
  document.documentElement.dataset.theme = theme;
  const other = lang === "en" ? "id" : "en";
  const link = $("language");
  link.textContent = other === "en" ? "English" : "Indonesia";
  link.lang = link.hreflang = other;
  link.href = `?lang=${other}`;
  $("theme").textContent = theme === "dark" ? t("light") : t("dark");
  $("instance").textContent = status?.instance || "";
}
function tick() {
  if (!lang) {
    if (performance.now() < STALE_S * 1000) return;
    lang = "id";
    chrome();
  }
  for (const e of document.querySelectorAll("[data-since]")) e.textContent = wording(e.dataset.since, e.dataset.words);
  $("clock").textContent = lastOk === null ? "" : `${clock(now(), true)} ${zoneName()}`;
  const silent = lastOk === null ? 0 : (performance.now() - lastOk) / 1000;
  $("age").textContent = lastOk === null ? t("first") : t("beat", span(silent * 1000));
  const since = (ms) => `${clock(now() - ms, true)} ${zoneName()} (${span(ms)})`;
  let alarm = null, dead = false;
  if (lastOk === null ? performance.now() > STALE_S * 1000 : silent > STALE_S) {
    dead = true;
    alarm = lastOk === null ? t("dead", "?") : t("dead", since(silent * 1000));
  } else if (status) {
    const s = status;
    const blind = (s.watchers || []).filter((w) => w.sight === "isolated").map((w) => w.id);
    if (s.core.beat_age_ms > BEAT_MAX_MS) { dead = true; alarm = t("stuck", since(s.core.beat_age_ms)); }
    else if (!s.journal.writable) alarm = t("unwritable", s.journal.last_error || "?");
    else if (s.core.behind > 10000) alarm = t("behind", num(s.core.behind));
    else if (blind.length) alarm = t("blind", blind.join(", "));
    else if (s.probe?.enabled && s.probe.last_error) alarm = t("probefail", s.probe.last_error);
    else if (s.config.refused) alarm = t("refused", s.config.refused);
  }
  document.body.classList.toggle("dead", dead);
  $("alarm").hidden = !alarm;
  if ($("alarm").textContent !== (alarm || "")) $("alarm").textContent = alarm || "";
  if (dead) document.title = "✕ kentongan";
}

// ── pieces ────────────────────────────────────────────────────────────────────────────────────
const level = (p) => p.toLowerCase();
function ticketParts(i) {
  if (!i.tickets.length) {
    if (i.priority === "P4") return [h("span", {}, t("noticket"))];
    return [h("span", { class: "wait" }, i.open ? t("pending") : t("none"))];
  }
  const order = { told: 0, passed: 1, "dry-run": 1, pending: 2, doubtful: 3 };
  return [...i.tickets].sort((a, b) => order[a.told] - order[b.told]).map((k) => {
    const name = k.ticket ? out(k.url || "", `${k.desk} #${k.ticket}`) : k.desk;
    const tries = k.attempt > 1 ? ` (${t("attempt")} ${num(k.attempt)})` : "";
    if (k.told === "told") return h("span", {}, `${t("ticket")} `, h("b", {}, name));
    if (k.told === "passed") return h("span", { title: k.reason }, name, `: ${t("passed")}`);
    if (k.told === "dry-run") return h("span", { class: "wait" }, name, `: ${t("dry")}`);
    const doubt = k.told === "doubtful";
    const why = doubt ? t("doubtful") : k.ticket ? t("told") : t("pending");
    return h("span", { class: "wait", title: k.reason }, doubt ? "? " : "◌ ", name, `: ${why}${tries}`);
  });
}
const workText = (i) => i.acknowledged_by
  ? `${t("acked")} ${t("by")} ${i.acknowledged_by}`
  : t(i.work === "resolved" ? "wresolved" : i.work);
function counts(c) {
  return [["devices", c.devices], ["site", c.sites], ["services", c.services], ["users", c.users]]
    .filter(([, n]) => n > 0).map(([k, n]) => h("span", {}, h("b", {}, num(n)), ` ${t(k)}`));
}
function card(i) {
  const odd = i.condition === "unknown" ? h("span", { class: "unknown" }, "? ", t("cunknown"))
    : i.condition === "masked" ? h("span", {}, t("masked")) : i.condition === "clear" ? h("span", {}, t("clear")) : null;
  return h("li", { class: `card ${level(i.priority)}` },
    h("div", { class: "top" },
      h("span", { class: `level ${level(i.priority)}` }, sign(SIGN[i.priority] || ""), ` ${i.priority}`),
      h("a", { class: "title", id: `i-${i.id}`, href: `/incident/${encodeURIComponent(i.id)}` }, i.title),
      h("span", { class: "since" }, `${t("since")} `, at(i.since), " · ", ago(i.since))),
    h("div", { class: "facts" }, h("span", { class: "root" }, `${t("root")} `, h("b", {}, i.root.join(` ${t("or")} `))), h("span", {}, h("b", {}, i.scope)), counts(i.counts)),
    h("div", { class: "facts" }, ticketParts(i), h("span", {}, workText(i)), odd, i.recurrence_of && h("span", {}, `${t("recurrence")} ${i.recurrence_of}`)));
}
function desk(d) {
  const bad = d.reachable === false;
  const state = d.dry_run ? t("dry") : d.reachable === null || d.reachable === undefined ? t("unasked") : bad ? t("unreachable") : t("reachable");
  return h("li", {}, sign(bad ? "✕" : d.dry_run ? "◌" : "·"), " ", h("b", {}, d.name), d.kind !== d.name && ` (${d.kind})`, ": ", bad ? h("b", {}, state) : state,
    d.waiting > 0 && h("span", {}, ` · ${num(d.waiting)} ${t("waiting")}`, d.oldest && [`, ${t("oldest")} `, ago(d.oldest)]),
    d.doubtful > 0 && h("b", {}, ` · ? ${num(d.doubtful)} ${t("indoubt")}`),
    bad && d.last_error && h("div", { class: "quiet" }, d.last_error));
}
function tool(s) {
  const row = (k, ...v) => h("li", {}, h("span", { class: "quiet" }, `${k}: `), ...v);
  return [
    row(t("events"), `#${num(s.core.last_event)}`, s.core.behind > 0 && ` (−${num(s.core.behind)})`),
    s.probe && row(t("probe"), `${s.probe.id} · ${t("targetsof", num(s.probe.targets))} · ${num(s.probe.samples_per_s, s.probe.samples_per_s < 10 ? 2 : 0)} ${t("samples")}`),
    s.core.held > 0 && row(t("held"), num(s.core.held)),
    s.core.suppressed > 0 && row(t("suppressed"), num(s.core.suppressed)),
    s.core.flapping > 0 && row(t("flaps"), h("span", { class: "flap" }, `≋ ${num(s.core.flapping)}`)),
    row(t("journal"), `${s.journal.kind} · ${num(s.journal.bytes / 1048576, 1)} MiB`, s.journal.spool_events > 0 && ` · spool ${num(s.journal.spool_events)}`, s.journal.connected === false && " · ✕ broker"),
    row(t("heartbeat"), !s.heartbeat.configured ? t("off") : s.heartbeat.last_error ? h("b", {}, `✕ ${s.heartbeat.last_error}`) : s.heartbeat.last_ok ? ago(s.heartbeat.last_ok, "past") : "…"),
    row(t("version"), `${s.version} · `, ago(s.started_at, "running")),
  ].filter(Boolean);
}
function tile(s) {
  const p = s.priority && s.priority !== "P4" ? s.priority : null;
  const look = p ? level(p) : s.state === "flapping" ? "flap" : "";
  const word = t(s.state);
  return h("li", { class: look, title: `${s.id}: ${word} ${s.up}/${s.total}${p ? ` ${p}` : ""}` },
    sign(p ? SIGN[p] : STATE_SIGN[s.state] || "·"), h("span", { class: "site" }, s.name),
    h("span", {}, s.up === s.total ? num(s.total) : `${num(s.up)}/${num(s.total)}`),
    h("span", { class: "unseen" }, ` ${word}`));
}
function targetRow(x, levels) {
  const fine = x.state === "up";
  const p = levels[x.incident];
  const look = x.state === "flapping" ? "flap" : x.state === "unknown" || x.state === "new" ? "unknown" : !fine && p ? level(p) : "";
  const word = x.state === "new" ? t("snew") : t(x.state);
  return h("tr", { class: fine ? "fine" : x.state === "down" ? "bad" : "" },
    h("td", { class: look }, sign(STATE_SIGN[x.state] || "·"), ` ${word}`, x.maintenance && " ⧗"),
    h("td", { class: "free" }, x.id, x.name && x.name !== x.id && h("span", { class: "quiet" }, ` ${x.name}`)),
    h("td", { class: "less" }, x.site_name || x.site || ""), h("td", { class: "less" }, x.class),
    h("td", {}, x.since ? at(x.since) : ""),
    h("td", { class: "number" }, x.rtt_ms === null || x.rtt_ms === undefined ? "" : `${num(x.rtt_ms, x.rtt_ms < 10 ? 2 : 1)} ms`),
    h("td", { class: "number less" }, x.loss_pct ? `${num(x.loss_pct, 0)} %` : ""),
    h("td", { class: "less" }, x.incident ? h("a", { href: `/incident/${encodeURIComponent(x.incident)}` }, x.incident) : ""));
}

// ── the board ─────────────────────────────────────────────────────────────────────────────────
let everyTarget = false, filter = "", all = null, seen = null;
function boardFrame() {
  const box = (title, id, tag, cls) => h("section", {}, h("h2", {}, t(title)), h(tag, { id, class: cls }));
  const column = (name, words, cls) => h("th", { class: cls }, t(words || name));
  $("main").replaceChildren(
    h("div", { class: "column" },
      h("section", {}, h("h2", {}, t("now"), " ", h("span", { id: "of" })), h("ul", { id: "open", class: "cards" })),
      h("section", {}, h("h2", {}, t("sites")), h("ul", { id: "sites", class: "tiles" })),
      h("section", {}, h("h2", {}, t("resolved")), h("ul", { id: "resolved", class: "rows" })),
      h("section", {}, h("h2", {}, t("targets"), " · ", h("span", { id: "bystate" })),
        h("div", { class: "table" }, h("table", {}, h("thead", {}, h("tr", {},
          column("state"), column("name"), column("site", null, "less"), column("class", null, "less"), column("since"),
          column("rtt", null, "number"), column("loss", null, "number less"), column("incident", null, "less"))), h("tbody", { id: "targets" }))),
        h("div", { class: "below" }, h("button", { id: "more", type: "button", class: "plain", onclick: toggleAll }),
          h("input", { id: "filter", type: "search", placeholder: t("filter"), "aria-label": t("filter"), hidden: true, oninput: (e) => { filter = e.target.value.toLowerCase(); drawTargets(); } })))),
    h("div", { class: "column" }, box("desks", "desks", "ul", "rows"), h("section", { id: "windowbox" }), box("tool", "tool", "ul", "rows")));
  $("main").dataset.lang = lang;
  $("filter").value = filter;
}
let board = null;
function drawBoard(b) {
  board = b;
  if ($("main").dataset.lang !== lang) boardFrame();
  const urgent = ["P1", "P2", "P3"].map((p) => [p, b.open.filter((i) => i.priority === p && i.condition !== "clear").length]).filter(([, n]) => n);
  const last = b.resolved.find((i) => i.priority !== "P4");
  const quietSince = last ? last.resolved_at || last.updated_at : b.status.started_at;
  put("verdict", [urgent, quietSince], () => urgent.length
    ? urgent.map(([p, n]) => h("span", { class: level(p) }, `${SIGN[p]} ${num(n)} ${p}`))
    : h("span", { class: "calm" }, `${t("calm")} `, ago(quietSince)));
  document.title = urgent.length ? `${urgent.map(([p, n]) => `${SIGN[p]}${n} ${p}`).join(" ")} · kentongan` : `${t("calm")} · kentongan`;
  put("of", [b.open.length, b.open_total], () => b.open.length < b.open_total ? t("openof", num(b.open.length), num(b.open_total)) : "");
  put("open", b.open, (l) => l.length ? l.map(card) : h("li", { class: "nothing" }, t("nothing")));
  put("desks", b.status.desks, (l) => l.length ? l.map(desk) : h("li", { class: "quiet" }, t("none")));
  put("windowbox", b.windows, (l) => l.length && [h("h2", {}, t("windows")), h("ul", { class: "rows" }, l.map((w) =>
    h("li", {}, sign("⧗"), " ", h("b", {}, w.scope.join(", ")), ` ${w.silence ? `(${t("silence")}) ` : ""}${w.active ? "" : `${t("planned")} `}`,
      !w.active && [at(w.start), " "], `${t("until")} `, at(w.end), w.hides > 0 && ` · ${t("hides", num(w.hides))}`, h("div", { class: "quiet" }, `${w.owner}: ${w.reason}`))))]);
  put("tool", b.status, tool);
  put("sites", b.sites, (l) => l.map(tile));
  put("bystate", b.targets_by_state, (m) => Object.entries(m).map(([k, n]) => `${num(n)} ${k === "new" ? t("snew") : t(k)}`).join(" · "));
  put("resolved", b.resolved, (l) => l.length ? l.map((i) => h("li", {}, h("span", { class: "quiet" }, sign(SIGN[i.priority]), ` ${i.priority} `),
    h("a", { id: `r-${i.id}`, href: `/incident/${encodeURIComponent(i.id)}` }, i.title), " ",
    h("span", { class: "quiet" }, at(i.since), "–", at(i.resolved_at || i.updated_at), ` · ${t("for")} ${span(Date.parse(i.resolved_at || i.updated_at) - Date.parse(i.since))} · `, ticketParts(i).flatMap((p, n) => n ? [" · ", p] : [p])))) : h("li", { class: "quiet" }, t("none")));
  drawTargets();
  announce(b.open);
}
function drawTargets() {
  if (!board) return;
  const levels = Object.fromEntries(board.open.map((i) => [i.id, i.priority]));
  const list = everyTarget && all ? all.filter((x) => !filter || `${x.id} ${x.name} ${x.site_name || ""} ${x.state} ${x.class}`.toLowerCase().includes(filter)) : board.targets;
  put("targets", [list, levels], () => list.map((x) => targetRow(x, levels)));
  const short = board.targets_total > board.targets.length;
  $("more").hidden = !short && !everyTarget;
  $("more").textContent = everyTarget ? t("fewer") : t("all", num(board.targets_total));
  $("filter").hidden = !everyTarget;
}
async function toggleAll() {
  everyTarget = !everyTarget;
  if (everyTarget) { try { all = (await get("/api/v1/targets")).targets; } catch { everyTarget = false; } }
  drawTargets();
}
// What a screen reader says: new incidents politely, a P1 at once.
function announce(open) {
  const ids = new Set(open.map((i) => i.id));
  if (seen) {
    for (const i of open) {
      if (!seen.has(i.id)) $(i.priority === "P1" ? "assertive" : "polite").textContent = `${t("newincident")} ${i.priority}: ${i.title}`;
    }
  }
  seen = ids;
}

// ── one incident ──────────────────────────────────────────────────────────────────────────────
function detailFrame(id) {
  const box = (title, place, tag = "div", cls) => h("section", { hidden: true, id: `${place}-box` }, h("h2", {}, t(title)), h(tag, { id: place, class: cls }));
  const by = h("input", { id: "by", autocomplete: "name", maxlength: 64, value: remembered("by") || "" });
  const text = h("textarea", { id: "text", rows: 2, maxlength: 3000, "aria-label": t("text"), placeholder: t("text") });
  const token = h("input", { id: "token", type: "password", autocomplete: "off" });
  const said = h("p", { id: "said", class: "said", role: "status" });
  const send = async (op, body) => {
    if (!by.value.trim()) { said.textContent = t("need"); by.focus(); return; }
    remember("by", by.value.trim());
    const headers = { "content-type": "application/json" };
    const secret = token.value || sessionStorage.getItem("token") || "";
    if (secret) headers.authorization = `Bearer ${secret}`;
    try {
      const r = await fetch(`/api/v1/incidents/${encodeURIComponent(id)}/${op}`, { method: "POST", headers, body: JSON.stringify({ by: by.value.trim(), ...body }) });
      const doc = await r.json();
      if (r.status === 401) $("tokenbox").hidden = false;
      if (r.ok && token.value) sessionStorage.setItem("token", token.value);
      said.textContent = r.ok ? t("sent", num(doc.event)) : doc.detail;
      if (r.ok) { text.value = ""; poll(); }
    } catch (e) { said.textContent = String(e.message || e); }
  };
  const words = () => text.value.trim();
  $("main").replaceChildren(
    h("div", {}, h("a", { class: "back", href: "/" }, t("back")), h("div", { id: "head" }), h("br"), box("diary", "diary", "ol", "diary")),
    h("div", { class: "column" },
      h("section", { id: "act-box", hidden: true }, h("h2", {}, t("act")), h("form", { onsubmit: (e) => e.preventDefault() },
        h("div", { class: "line" }, h("label", {}, t("you"), by), h("label", { id: "tokenbox", hidden: true }, t("token"), token)),
        text,
        h("div", { class: "line" },
          h("button", { class: "do", type: "button", onclick: () => send("acknowledge", words() ? { text: words() } : {}) }, t("ack")),
          h("button", { class: "do", type: "button", onclick: () => words() ? send("note", { text: words() }) : (said.textContent = t("needtext")) }, t("note"))),
        said)),
      box("tickets", "tickets", "ul", "rows"), box("affected", "affected"), box("why", "why", "ul", "rows"), box("otherwise", "otherwise", "ul", "rows"),
      box("alarms", "alarms", "ul", "rows"), box("verdicts", "verdicts", "ul", "rows")));
  $("main").dataset.lang = lang;
}
function drawDetail(id, d, why) {
  if ($("main").dataset.lang !== lang) detailFrame(id);
  const i = d.incident;
  document.title = `${SIGN[i.priority] || ""} ${i.id} · kentongan`;
  const fill = (place, data, make) => { put(place, data, make); $(`${place}-box`).hidden = !data || data.length === 0 || (typeof data === "object" && Object.keys(data).length === 0); };
  $("act-box").hidden = !i.open;
  put("head", i, () => [
    h("h1", {}, h("span", { class: level(i.priority) }, sign(SIGN[i.priority] || ""), ` ${i.priority}`), ` ${i.title}`),
    h("p", { class: "quiet" }, `${i.id} · ${t(i.condition === "unknown" ? "cunknown" : i.condition)} · ${workText(i)} · ${t("scope")} ${i.scope} · ${t("since")} `, at(i.since),
      i.open ? [" · ", ago(i.since)] : [" – ", at(i.resolved_at || i.updated_at), ` · ${span(Date.parse(i.resolved_at || i.updated_at) - Date.parse(i.since))}`]),
    h("p", {}, h("span", { class: "quiet" }, `${t("root")}: `), h("b", { class: "ids" }, i.root.join(` ${t("or")} `))),
    h("p", {}, i.reason),
    i.into && h("p", {}, `${t("merged")} `, h("a", { href: `/incident/${encodeURIComponent(i.into)}` }, i.into)),
    i.recurrence_of && h("p", {}, `${t("recurrence")} `, h("a", { href: `/incident/${encodeURIComponent(i.recurrence_of)}` }, i.recurrence_of))]);
  fill("tickets", [i.tickets, i.open, i.priority], () => [h("li", {}, ticketParts(i).flatMap((p, n) => n ? [h("br"), p] : [p])),
    i.tickets.map((k) => h("li", { class: "quiet" }, `${k.desk}: ${k.step}${k.call ? ` (${k.call})` : ""}. ${k.reason}`))]);
  const list = (k, ids, n) => ids.length && h("p", { class: "ids" }, h("b", {}, num(n)), ` ${t(k)}: `, ids.slice(0, 200).join(", "), ids.length > 200 && ` ${t("more", num(ids.length - 200))}`);
  fill("affected", i.affected, (a) => [list("devices", a.devices, a.devices.length), list("site", a.sites, a.sites.length), list("services", a.services, a.services.length),
    a.users > 0 && h("p", {}, h("b", {}, num(a.users)), ` ${t("users")}`)]);
  const because = [...(why?.because || []), ...(why?.rules || []), ...(why?.notes || [])];
  fill("why", because, (l) => l.map((x) => h("li", {}, x)));
  fill("otherwise", why?.otherwise || [], (l) => l.map((x) => h("li", {}, x)));
  fill("alarms", d.alarms.slice(0, 100), (l) => l.map((a) => h("li", {}, h("b", {}, a.target), ` ${a.check}: `, h("span", { class: a.state === "flapping" ? "flap" : a.state === "unknown" ? "unknown" : "" }, a.state), ` · ${t("since")} `, at(a.since))));
  fill("verdicts", d.verdicts, (m) => Object.entries(m).map(([k, n]) => h("li", {}, `${num(n)} × ${k}`)));
  fill("diary", [d.diary, d.diary_left_out], () => {
    let before = "";
    const lines = d.diary.flatMap((l) => {
      const today = day(Date.parse(l.at));
      const head = today === before ? [] : [h("li", { class: "day" }, today)];
      before = today;
      return [...head, h("li", { class: `line-${l.kind}` }, h("time", { datetime: l.at, title: l.at }, clock(Date.parse(l.at), true)), h("span", { class: "text" }, l.text))];
    });
    return d.diary_left_out ? [...lines, h("li", { class: "day" }, t("left", num(d.diary_left_out)))] : lines;
  });
}
function drawTicket(k) {
  document.title = `#${k.id} · kentongan`;
  put("main", k, () => h("div", { class: "wide" }, h("a", { class: "back", href: "/" }, t("back")),
    h("h1", {}, `#${k.id} `, h("span", { class: level(k.priority) }, `${SIGN[k.priority] || ""} ${k.priority}`), ` ${k.title}`),
    h("p", { class: "quiet" }, `${k.open ? t("opened") : t("closed")} `, at(k.created_at), " · ", h("a", { href: `/incident/${encodeURIComponent(k.incident)}` }, `${t("incident")} ${k.incident}`)),
    h("pre", {}, k.text), h("br"), k.notes.length > 0 && h("h2", {}, t("notes")),
    h("ol", { class: "diary" }, k.notes.map((n) => h("li", {}, at(n.at), h("span", { class: "text" }, n.text))))));
}

// ── polling ───────────────────────────────────────────────────────────────────────────────────
const [, kind, rawId] = location.pathname.match(/^\/(incident|ticket)\/(.+)$/) || [];
const id = rawId ? decodeURIComponent(rawId) : null;
let polling = false, rounds = 0;
async function poll() {
  if (polling) return;
  polling = true;
  try {
    if (kind) {
      const q = lang ? `?lang=${lang}` : "";
      beat(await get("/api/v1/status"));
      try {
        if (kind === "incident") {
          const path = `/api/v1/incidents/${encodeURIComponent(id)}`;
          const [d, why] = await Promise.all([get(path + q), get(`${path}/explain${q}`)]);
          drawDetail(id, d, why);
        } else drawTicket(await get(`/api/v1/desk/tickets/${encodeURIComponent(id)}`));
      } catch (e) {
        if (e.status !== 404) throw e;
        put("main", ["missing", id], () => h("div", { class: "wide" }, h("a", { class: "back", href: "/" }, t("back")), h("p", {}, t("missing", id))));
      }
    } else {
      const b = await get("/api/v1/board");
      beat(b.status);
      if (everyTarget && rounds++ % 3 === 0) all = (await get("/api/v1/targets")).targets;
      drawBoard(b);
    }
  } catch { /* the heartbeat stands still, and tick() says so */ }
  polling = false;
}
$("theme").addEventListener("click", () => { theme = theme === "dark" ? "light" : "dark"; remember("theme", theme); chrome(); });
document.documentElement.dataset.theme = theme;
if (lang) chrome();
else { lang = null; $("age").textContent = WORDS.id.first; }
setInterval(tick, 1000);
setInterval(poll, POLL_MS);
poll();
