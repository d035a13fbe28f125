// The catalog's pages over its own API. Every text is set as text, never as markup.
"use strict";

const h = Lineage.element;
const main = document.getElementById("main");
const link = (name) => `#/dataset/${name.split("/").map(encodeURIComponent).join("/")}`;
const path = (name) => name.split("/").map(encodeURIComponent).join("/");
const number = (value) => (value === null || value === undefined ? "" : Number(value).toLocaleString("en"));
const time = (value) => (value ? `${String(value).slice(0, 16).replace("T", " ")} UTC` : "never");
const instant = (value) => h("span", { class: "line" }, time(value));
const kind = (type) => type.replace(/Datetime\(time_unit='us', time_zone='UTC'\)/g, "Timestamp (UTC)");
/* What a verdict says behind the rule's own words, which stand beside it. */
const beyond = (told, label) => (told.startsWith(label) ? told.slice(label.length).replace(/^[:;] /, "") : told);
const { rows } = Lineage;
const signs = { failed: "red", warned: "warned", never: "unknown", passed: "green" };

async function call(url) {
  const token = sessionStorage.getItem("token");
  const answer = await fetch(`/api${url}`, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (answer.status === 401) throw Object.assign(new Error("A token is needed."), { token: true });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail || answer.statusText);
  return body;
}

function table(columns, rows, { caption = null } = {}) {
  return h("div", { class: "wide" }, h("table", {}, caption ? h("caption", {}, caption) : null,
    h("thead", {}, h("tr", {}, columns.map(([title, numeric]) => h("th", { scope: "col", class: numeric ? "number" : null }, title)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, place) => h("td", { class: columns[place][1] ? "number" : null }, cell)))))));
}

const words = { green: "fine", red: "red", unknown: "never made", warned: "rows set aside" };
const state = (entry) => {
  const shown = entry.state === "green" && entry.quarantine_open ? "warned" : entry.state;
  return h("span", { class: "line" }, h("i", { class: `dot ${shown}` }), words[shown] || shown);
};
const tags = (names, kind) => names.map((name) => h("a", { class: "tag", href: `#/search?${kind}=${encodeURIComponent(name)}` }, name));
const to = (name) => h("a", { href: link(name) }, name);
const owned = (owner) => (owner ? h("a", { href: `#/search?owner=${encodeURIComponent(owner)}` }, owner) : h("span", { class: "muted" }, "nobody"));

function datasets(entries) {
  if (!entries.length) return h("p", { class: "muted" }, "None.");
  return table([["Dataset"], ["State"], ["Score", true], ["Rows", true], ["Set aside", true], ["Owner"], ["Made"], ["Red above"]],
    entries.map((entry) => [
      h("span", {}, to(entry.name), entry.description ? h("div", { class: "muted" }, entry.description) : null), state(entry),
      entry.score === null ? "" : entry.score.toFixed(1), number(entry.rows), entry.quarantine_open ? h("a", { href: `#/quarantine/${path(entry.name)}` }, number(entry.quarantine_open)) : "",
      owned(entry.owner), instant(entry.materialised_at), h("span", {}, entry.red_upstream.slice(0, 3).map((name) => h("div", {}, to(name))))]));
}

const pages = {
  async home() {
    const home = await call("/home");
    const owners = Object.entries(home.red_by_owner);
    return ["Catalog", h("h1", {}, "Data catalog"),
      h("p", { class: "muted" }, `${number(home.datasets)} datasets, read ${time(home.at)}.`),
      h("h2", {}, `What is red or has rows set aside (${home.red.length})`), datasets(home.red),
      h("h2", {}, "Whose"),
      owners.length ? table([["Owner"], ["Datasets", true]], owners.map(([owner, count]) => [owned(owner), number(count)])) : h("p", { class: "muted" }, "Nobody has anything red."),
      h("h2", {}, "What changed last"), datasets(home.changed)];
  },

  async search(_, query) {
    const asked = new URLSearchParams(query);
    const found = await call(`/datasets?${asked}`);
    const field = (name, title, type = "text") => h("label", {}, title, h("input", { name, type, value: asked.get(name) || "", step: type === "number" ? "any" : null }));
    const form = h("form", { class: "filters", onsubmit: (event) => {
      event.preventDefault();
      const next = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
      location.hash = `#/search?${next}`;
    } }, field("text", "Text"), field("tag", "Tag"), field("owner", "Owner"), field("domain", "Domain"), field("term", "Term"),
      field("min_score", "Score at least", "number"), h("button", {}, "Search"));
    return ["Search", h("h1", {}, "Search"), form, h("p", { role: "status" }, `${number(found.total)} found.`), datasets(found.datasets)];
  },

  async dataset(parts) {
    const name = parts.join("/");
    const page = await call(`/datasets/${path(name)}`);
    const entry = page.entry;
    const facts = [["State", state(entry)], ["Owner", owned(entry.owner)], ["Version", entry.version], ["Source", entry.source],
      ["Rows", number(entry.rows)], ["Made", time(entry.materialised_at)], ["Quality", entry.score === null ? "" : `${entry.score.toFixed(1)} of 100`],
      ["Freshness", Lineage.freshness[entry.freshness] || ""], ["Set aside", entry.quarantine_open ? h("a", { href: `#/quarantine/${path(name)}` }, rows(entry.quarantine_open)) : ""],
      ["Tags", entry.tags.length ? h("span", {}, tags(entry.tags, "tag")) : ""], ["Terms", entry.terms.length ? h("span", {}, tags(entry.terms, "term")) : ""],
      ["Red above", entry.red_upstream.length ? h("span", {}, entry.red_upstream.map((each) => h("div", {}, to(each)))) : ""], ["Lies at", page.location]];
    const list = (names) => h("ul", {}, Object.keys(names).map((each) => h("li", {}, each in names && each.includes("/") && !each.includes(":") ? to(each) : each)));
    const sample = h("div", {}, h("button", { type: "button", onclick: async () => {
      try {
        const read = await call(`/datasets/${path(name)}/sample?rows=10`);
        const columns = Object.keys(read.rows[0] || {});
        sample.replaceChildren(read.rows.length ? table(columns.map((each) => [each]), read.rows.map((row) => columns.map((each) => (row[each] === null ? "" : String(row[each]))))) : h("p", {}, "No rows."),
          h("p", { class: "muted" }, read.masked.length ? `Masked: ${read.masked.join(", ")}` : "No personal data."));
      } catch (error) { sample.replaceChildren(h("p", { class: "error" }, error.message)); }
    } }, "Show ten rows"));
    const declared = Boolean(entry.version), by_contract = declared ? [" · ", h("a", { href: `/api/datasets/${path(name)}/contract` }, "Contract (ODCS)"), " · ",
      h("a", { href: `#/product/${path(name)}` }, "Compliance now"), page.rules.length ? [" · ", h("a", { href: `#/report/${path(name)}` }, "Report")] : null].flat() : " · no contract is declared for it";
    return [name, h("h1", {}, name), h("p", {}, page.description || entry.description || ""),
      h("p", {}, h("a", { href: `#/lineage/${path(name)}` }, "Lineage"), by_contract, page.quarantine ? [" · ", h("a", { href: `#/quarantine/${path(name)}` }, "Quarantine")] : null),
      h("dl", {}, facts.filter(([, value]) => value).flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])),
      h("h2", {}, "Columns"),
      table([["Column"], ["Type"], ["Null"], ["Unit"], ["Personal"], ["Terms"], ["Meaning"]], page.columns.map((column) => [
        h("a", { href: `#/column/${path(name)}/${encodeURIComponent(column.name)}` }, column.name), kind(column.type), column.nullable ? "may be" : "", column.unit || "",
        column.pii || "", h("span", {}, tags(page.terms_by_column[column.name] || [], "term")), column.description])),
      h("h2", {}, "Checks"),
      table([["Check"], ["State"], ["Severity"], ["Said"], ["When"]], page.rules.map((rule) => [rule.label || rule.id,
        h("span", { class: "line" }, h("i", { class: `dot ${signs[rule.status] || "unknown"}` }), rule.status), rule.severity, beyond(rule.told || "", rule.label || ""), instant(rule.judged_at)])),
      page.promises.length ? [h("h2", {}, "Promises, over 30 days"), table([["Promise"], ["Promised"], ["Measured"], ["Kept"]], page.promises.map((each) =>
        [each.name, each.promised, each.measured === null ? "not measured" : String(each.measured), each.kept === null ? "" : each.kept ? "yes" : "no"]))] : null,
      h("div", { class: "cards" }, h("section", {}, h("h2", {}, "Made of"), list(page.upstream)), h("section", {}, h("h2", {}, "Who reads it"), list(page.consumers))),
      declared || page.dataset.format === "delta" ? [h("h2", {}, "Rows"), sample] : null].flat();
  },

  async quarantine(parts, query) {
    const name = parts.join("/"), asked = new URLSearchParams(query);
    const page = await call(`/datasets/${path(name)}/quarantine?${asked}`);
    const shown = asked.get("decision") || "open", rule = asked.get("rule");
    const here = (words) => `#/quarantine/${path(name)}?${new URLSearchParams({ decision: shown, ...(rule ? { rule } : {}), ...words })}`;
    const picture = ([title, svg]) => h("img", { class: "plot", alt: title, src: `data:image/svg+xml;base64,${btoa(String.fromCharCode(...new TextEncoder().encode(svg)))}` });
    const value = (text) => (text === null ? h("span", { class: "muted" }, "null") : String(text));
    const cells = (opened) => (opened.payload === null ? h("span", { class: "muted" }, "the whole file") : h("dl", { class: "row" }, Object.entries(opened.payload)
      .sort(([one], [other]) => opened.suspects.includes(other) - opened.suspects.includes(one))
      .flatMap(([column, text]) => [h("dt", { class: opened.suspects.includes(column) ? "suspect" : null }, column),
        h("dd", {}, value(text), opened.fix && opened.fix[column] !== text ? h("span", { class: "fixed" }, " → ", value(opened.fix[column])) : null)])));
    const decisions = ["open", "replayed", "discarded"].map((each) => h("a", { class: "tag", href: here({ decision: each }), "aria-current": each === shown ? "page" : null },
      `${number(page.decisions[each])} ${each}`));
    return [`Quarantine of ${name}`, h("h1", {}, `Quarantine of ${name}`), h("p", {}, to(name), " · ", h("a", { href: `#/report/${path(name)}` }, "Report")), h("p", {}, decisions),
      h("div", {}, Object.entries(page.pictures).map(picture)),
      h("h2", {}, "By rule"),
      page.rules.length ? table([["Rule"], ["Open", true], ["Replayed", true], ["Discarded", true], ["First"], ["Last"]], page.rules.map((each) => [
        h("span", {}, h("a", { href: here({ rule: each.id }) }, each.label || each.id), each.label ? null : h("div", { class: "muted" }, "no rule of the contract any more")),
        number(each.decisions.open), number(each.decisions.replayed), number(each.decisions.discarded), instant(each.first), instant(each.last)]))
        : h("p", { class: "muted" }, "No row was ever set aside."),
      h("h2", {}, `Rows, ${shown}`, rule ? [`, that break ${rule} `, h("a", { href: `#/quarantine/${path(name)}?decision=${shown}` }, "(all)")] : null),
      page.envelopes.length ? table([["Row"], ["Why"], ["As it came"], ["Set aside"]], page.envelopes.map((opened) => [
        h("span", {}, h("code", {}, opened.envelope.id), h("div", { class: "muted" }, opened.envelope.source, opened.envelope.position === null ? "" : `, record ${number(opened.envelope.position)}`)),
        h("span", {}, opened.envelope.rules.map((id) => h("div", {}, opened.labels[id] || id)), opened.reason.startsWith("broken: ") ? null : h("div", { class: "muted" }, opened.reason),
          opened.note ? h("div", { class: "muted" }, opened.note) : null),
        cells(opened), instant(opened.envelope.quarantined_at)])) : h("p", { class: "muted" }, "None."),
      page.omitted ? h("p", { class: "muted" }, `and ${number(page.omitted)} more: platform quarantine list ${name} --limit 0`) : null,
      page.envelopes.length && shown === "open" ? h("div", {}, h("h2", {}, "What to do"), h("pre", {},
        `platform quarantine fix ${name} ${page.envelopes[0].envelope.id} --set column=value\nplatform quarantine replay ${name}\nplatform quarantine discard ${name} ${page.envelopes[0].envelope.id} --reason "..."`)) : null];
  },

  async report(parts) {
    const name = parts.join("/");
    if (name === "index") { location.replace("#/"); return ["Catalog"]; }
    const page = await call(`/datasets/${path(name)}/report`);
    main.className = "full";
    return [`Report on ${name}`, h("h1", {}, `Report on ${name}`), h("iframe", { class: "report", title: `Report on ${name}`, sandbox: "allow-top-navigation-by-user-activation", srcdoc: page.html })];
  },

  async column(parts) {
    const column = parts[parts.length - 1], name = parts.slice(0, -1).join("/");
    const [page, drawn, impact] = await Promise.all([call(`/datasets/${path(name)}`), call(`/datasets/${path(name)}/lineage?column=${encodeURIComponent(column)}`),
      call(`/datasets/${path(name)}/impact?column=${encodeURIComponent(column)}`)]);
    const facts = page.columns.find((each) => each.name === column) || { type: "", description: "" };
    const pairs = (items) => (items.length ? h("ul", {}, items.map(([dataset, own]) => h("li", {}, own === "*" ? h("span", {}, "all rows of ", to(dataset))
      : dataset.includes(":") ? `${dataset}.${own}` : h("a", { href: `#/column/${path(dataset)}/${encodeURIComponent(own)}` }, `${dataset}.${own}`)))) : h("p", { class: "muted" }, "Nothing."));
    const rules = page.rules.filter((rule) => rule.columns.includes(column)), below = Object.keys(impact.datasets).length;
    const said = (rule) => [rule.status, beyond(rule.told || "", rule.label || "")].filter(Boolean).join(", ");
    return [`${name}.${column}`, h("h1", {}, `${name}.${column}`), h("p", {}, facts.description), h("p", {}, to(name), ` · ${kind(facts.type)}${facts.unit ? `, ${facts.unit}` : ""}${facts.pii ? `, personal: ${facts.pii}` : ""}`),
      h("p", {}, h("a", { href: `#/lineage/${path(name)}?column=${encodeURIComponent(column)}` }, "See it in the lineage")),
      h("p", {}, `A change has ${impact.severity} impact: ${number(below)} ${below === 1 ? "dataset" : "datasets"} below.`),
      h("div", { class: "cards" }, h("section", {}, h("h2", {}, "Made of"), pairs(drawn.column_upstream)), h("section", {}, h("h2", {}, "Reaches"), pairs(drawn.column_downstream))),
      h("h2", {}, "Checks"), h("ul", {}, rules.map((rule) => h("li", {}, `${rule.label || rule.id}: ${said(rule)}`)))];
  },

  async lineage(parts, query) {
    const drawn = await call("/lineage");
    main.className = "full";
    const root = h("div", {});
    queueMicrotask(() => Lineage.draw(root, drawn, { focus: parts.join("/") || null, column: new URLSearchParams(query).get("column"),
      linkOf: (name) => (name.includes(":") ? null : link(name)) }));
    return ["Lineage", root];
  },

  async products() {
    const found = await call("/products");
    return ["Products", h("h1", {}, "Data products"), h("p", { class: "muted" }, "Registered by POST /api/products with an ODCS contract."),
      found.length ? table([["Product"], ["Versions"], ["Owner"], ["Declared here"]], found.map((each) => [h("a", { href: `#/product/${path(each.name)}` }, each.name), each.versions.join(", "), owned(each.owner), each.declared ? "yes" : "no"]))
        : h("p", {}, "None is registered yet.")];
  },

  async product(parts) {
    const name = parts.join("/");
    const [product, compliance] = await Promise.all([call(`/products/${path(name)}`), call(`/products/${path(name)}/compliance`)]);
    return [name, h("h1", {}, name), h("p", {}, product.description || ""), h("p", {}, to(name), " · ", owned(product.owner), ` · versions ${product.versions.join(", ") || "none registered"}`),
      h("h2", {}, "Compliance now"), h("p", {}, h("i", { class: `dot ${compliance.passed ? "green" : "red"}` }), compliance.passed ? "Keeps its contract" : "Breaks its contract", `, ${number(compliance.row_count)} rows, version ${compliance.version}`),
      table([["Part"], ["What"], ["Kept"], ["Evidence"]], compliance.findings.map((each) => [each.part, each.name, each.passed ? "yes" : each.is_warning ? "warns" : "no", each.detail])),
      h("h2", {}, "Consumers"), product.consumers.length ? h("ul", {}, product.consumers.map((each) => h("li", {}, to(each)))) : h("p", { class: "muted" }, "None."),
      h("p", {}, h("a", { href: `/api/products/${path(name)}/odps` }, "As ODPS"))];
  },

  async glossary() {
    const terms = await call("/terms");
    return ["Glossary", h("h1", {}, "Glossary"), terms.length ? h("div", {}, terms.map((term) => h("section", {}, h("h2", {}, term.name), h("p", {}, term.meaning),
      h("p", { class: "muted" }, term.synonyms.length ? `Also: ${term.synonyms.join(", ")}. ` : "", term.owner ? `Decided by ${term.owner}.` : ""),
      h("ul", {}, term.columns.map((each) => { const cut = each.lastIndexOf("."); return h("li", {}, h("a", { href: `#/column/${path(each.slice(0, cut))}/${encodeURIComponent(each.slice(cut + 1))}` }, each)); })))))
      : h("p", {}, "No term is declared.")];
  },

  owners: () => groups("Owners", "/owners", "owner"),
  domains: () => groups("Domains", "/domains", "domain"),
};

async function groups(title, url, kind) {
  const found = await call(url);
  return [title, h("h1", {}, title), table([["Name"], ["Datasets", true], ["Red", true], ["Set aside", true]], found.map((each) => [
    h("a", { href: `#/search?${kind}=${encodeURIComponent(each.name)}` }, each.name), number(each.datasets.length), number(each.red.length), number(each.quarantine_open)]))];
}

function tokenForm(retry) {
  const input = h("input", { type: "password", autocomplete: "off", id: "token" });
  return h("form", { class: "filters", onsubmit: (event) => { event.preventDefault(); sessionStorage.setItem("token", input.value); retry(); } },
    h("label", {}, "Token for this catalog, kept until the tab is closed", input), h("button", {}, "Use it"));
}

let latest = 0;
async function route() {
  const turn = ++latest;
  const [where, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page = "home", ...parts] = where.split("/").filter(Boolean).map(decodeURIComponent);
  document.querySelectorAll("header nav a").forEach((each) => {
    if (each.getAttribute("href") === `#/${page}`) each.setAttribute("aria-current", "page"); else each.removeAttribute("aria-current");
  });
  main.className = "";
  const waiting = setTimeout(() => { if (turn === latest) main.replaceChildren(h("p", { class: "muted", role: "status" }, "Loading …")); }, 150);
  try {
    const build = Object.hasOwn(pages, page) ? pages[page] : () => { throw new Error("There is no such page."); };
    const [title, ...content] = await build(parts, query);
    clearTimeout(waiting);
    if (turn !== latest) return;
    document.title = `${title} · Catalog`;
    main.replaceChildren(...content.filter(Boolean));
  } catch (error) {
    clearTimeout(waiting);
    if (turn !== latest) return;
    main.replaceChildren(h("p", { class: "error", role: "alert" }, error.message), ...(error.token ? [tokenForm(route)] : []));
  }
}

document.getElementById("find").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = `#/search?text=${encodeURIComponent(document.getElementById("find-text").value)}`;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName)) { event.preventDefault(); document.getElementById("find-text").focus(); }
});
// The address after # is the page shown: the link that skips moves the focus, and leaves the address.
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
const theme = document.getElementById("theme");
function dress(name) {
  document.documentElement.dataset.theme = name;
  theme.textContent = name === "dark" ? "Light" : "Dark";
  localStorage.setItem("theme", name);
}
dress(localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
theme.addEventListener("click", () => { dress(document.documentElement.dataset.theme === "dark" ? "light" : "dark"); route(); });
addEventListener("hashchange", () => { route(); main.focus({ preventScroll: true }); scrollTo(0, 0); });
route();
