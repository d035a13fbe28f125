// The picture of the lineage. It needs cytoscape and dagre beside it, and nothing from a network.
"use strict";

const Lineage = (() => {
  const MOST = 400; // more boxes than that nobody reads: the domains are drawn, or what is around one dataset
  const REACH = 3;

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
    }
    for (const child of children.flat()) if (child !== null && child !== undefined) made.append(child);
    return made;
  }

  const freshness = { pass: "fresh", fail: "stale", unknown: "never made" }; // nothing where no freshness is promised
  const rows = (count) => `${Number(count).toLocaleString("en")} ${count === 1 ? "row" : "rows"}`;

  function reached(pairs, starts, also = (at) => [at], depth = Infinity) {
    const following = new Map();
    for (const [from, to] of pairs) following.set(from, [...(following.get(from) || []), to]);
    const seen = new Set(starts);
    let layer = [...starts];
    for (let step = 0; layer.length && step < depth; step++) {
      const next = [];
      for (const at of layer) for (const origin of also(at)) for (const to of following.get(origin) || [])
        if (!seen.has(to)) { seen.add(to); next.push(to); }
      layer = next;
    }
    for (const start of starts) seen.delete(start);
    return seen;
  }

  // The same walk as in platform_core/lineage/graph.py: a column that decides which rows there are reaches them all.
  function columnTrail(drawn, name, column) {
    const key = (dataset, own) => `${dataset}\u0000${own}`;
    const down = drawn.columns.map(([s, sc, t, tc]) => [key(s, sc), key(t, tc)]);
    const up = down.map(([from, to]) => [to, from]);
    const columns = new Map(drawn.nodes.map((node) => [node.name, node.columns]));
    const below = reached(down, [key(name, column)], (at) => {
      const [dataset, own] = at.split("\u0000");
      return own === "*" ? (columns.get(dataset) || []).map((each) => key(dataset, each)) : [at];
    });
    const above = reached(up, [key(name, column)], (at) => [at, key(at.split("\u0000")[0], "*")]);
    const pairs = (keys) => [...keys].map((each) => each.split("\u0000"));
    return { above: pairs(above).filter(([, own]) => own !== "*"), below: pairs(below) };
  }

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    return { text: of("--text"), box: of("--box"), line: of("--line"), red: of("--red"), green: of("--green"),
             accent: of("--accent"), amber: of("--amber"), soft: of("--soft"), page: of("--page") };
  }

  function label(node) {
    const marks = [];
    if (node.failed) marks.push(`${node.failed} failed`);
    if (node.quarantine) marks.push(`${node.quarantine} set aside`);
    if (node.freshness === "fail") marks.push("stale");
    if (node.state !== "red" && node.red_upstream && node.red_upstream.length) marks.push("red above");
    return marks.length ? `${node.name}\n${marks.join(" · ")}` : node.name;
  }

  function domainsOf(drawn) {
    const of = (name) => (name.includes(":") ? name.split(":")[0] : name.split("/")[0]);
    const groups = new Map();
    for (const node of drawn.nodes) groups.set(of(node.name), [...(groups.get(of(node.name)) || []), node]);
    const nodes = [...groups].map(([name, members]) => ({
      name, kind: "domain", members: members.length, columns: [], red_upstream: [],
      state: members.some((each) => each.state === "red") ? "red" : "green",
      failed: members.reduce((sum, each) => sum + (each.failed || 0), 0),
      quarantine: members.reduce((sum, each) => sum + (each.quarantine || 0), 0),
    }));
    const edges = new Map();
    for (const [from, to] of drawn.edges)
      if (of(from) !== of(to)) edges.set(`${of(from)}\u0000${of(to)}`, [of(from), of(to), "input"]);
    return { nodes, edges: [...edges.values()], columns: [], unknown: {} };
  }

  function around(drawn, name) {
    const down = drawn.edges.map(([from, to]) => [from, to]);
    const up = down.map(([from, to]) => [to, from]);
    const names = new Set([name]);
    for (let depth = 1; depth <= REACH; depth++) {
      const wider = new Set([name, ...reached(down, [name], undefined, depth), ...reached(up, [name], undefined, depth)]);
      if (wider.size > MOST) break;
      wider.forEach((each) => names.add(each));
    }
    return { ...drawn, nodes: drawn.nodes.filter((node) => names.has(node.name)),
             edges: drawn.edges.filter(([from, to]) => names.has(from) && names.has(to)) };
  }

  function draw(root, drawn, { focus = null, column = null, linkOf = null } = {}) {
    const byName = new Map(drawn.nodes.map((node) => [node.name, node]));
    const search = element("input", { type: "search", placeholder: "Find a dataset or column", list: "lineage-names",
                                      "aria-label": "Find a dataset or column" });
    const names = element("datalist", { id: "lineage-names" });
    const canvas = element("div", { class: "canvas", role: "img", "aria-label": "Graph of the lineage; the panel beside it says the same in words" });
    const panel = element("aside", { class: "panel", "aria-live": "polite" });
    const reset = element("button", { type: "button", onclick: () => show(null, null) }, "Everything");
    const fit = element("button", { type: "button", onclick: () => graph && graph.fit(undefined, 30) }, "Fit");
    const redOnly = element("button", { type: "button", "aria-pressed": "false", onclick: () => {
      const pressed = redOnly.getAttribute("aria-pressed") !== "true";
      redOnly.setAttribute("aria-pressed", String(pressed));
      show(pressed ? { red: true } : null, null);
    } }, "What is red");
    const legend = element("p", { class: "legend" },
      ...[["green", "fine"], ["red", "red"], ["unknown", "never made"], ["outside", "outside"]].map(([state, word]) =>
        element("span", {}, element("i", { class: `dot ${state}` }), word)),
      element("span", {}, element("i", { class: "dash" }), "looked into"));
    root.replaceChildren(element("div", { class: "bar" }, search, names, reset, redOnly, fit, legend),
                         element("div", { class: "board" }, canvas, panel));
    search.addEventListener("input", () => {
      const text = search.value.toLowerCase();
      const options = [];
      for (const node of drawn.nodes) {
        if (node.name.toLowerCase().includes(text)) options.push(node.name);
        else for (const own of node.columns) if (text && own.toLowerCase().includes(text)) options.push(`${node.name}.${own}`);
        if (options.length > 30) break;
      }
      names.replaceChildren(...options.map((value) => element("option", { value })));
      choose();
    });
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(true); });

    function choose(loose = false) {
      const text = search.value;
      if (byName.has(text)) return show(text, null);
      const cut = text.lastIndexOf(".");
      const dataset = text.slice(0, cut), own = text.slice(cut + 1);
      if (byName.has(dataset) && byName.get(dataset).columns.includes(own)) return show(dataset, own);
      const first = loose && names.querySelector("option");
      if (first) { search.value = first.value; choose(); }
    }

    let graph = null;
    function render(part) {
      const colour = colours();
      if (graph) graph.destroy();
      const present = new Set(part.nodes.map((node) => node.name));
      graph = cytoscape({
        container: canvas,
        elements: [
          ...part.nodes.map((node) => ({ data: { id: node.name, label: label(node) }, classes: `${node.state} ${node.kind}` })),
          ...part.edges.filter(([from, to]) => present.has(from) && present.has(to)).map(([source, target, how], place) =>
            ({ data: { id: `e${place}`, source, target }, classes: how })),
        ],
        style: [
          { selector: "node", style: { shape: "round-rectangle", label: "data(label)", "text-wrap": "wrap", "text-valign": "center",
            "font-size": 12, color: colour.text, "background-color": colour.box, "border-width": 2, "border-color": colour.line,
            width: "label", height: "label", padding: "9px", "font-family": "system-ui, sans-serif", "line-height": 1.3 } },
          { selector: "node.source", style: { shape: "barrel", "border-style": "dashed" } },
          { selector: "node.green", style: { "border-color": colour.green } },
          { selector: "node.red", style: { "border-color": colour.red, "border-width": 4 } },
          { selector: "node.unknown", style: { "border-color": colour.amber, "border-style": "dotted" } },
          { selector: "edge", style: { width: 1.5, "line-color": colour.line, "target-arrow-color": colour.line,
            "target-arrow-shape": "triangle", "curve-style": "bezier", "arrow-scale": 0.9 } },
          { selector: "edge.reference", style: { "line-style": "dashed" } },
          { selector: ".faded", style: { opacity: 0.18 } },
          { selector: "node.chosen", style: { "background-color": colour.soft, "border-width": 5, "border-color": colour.accent } },
          { selector: "edge.trail", style: { "line-color": colour.accent, "target-arrow-color": colour.accent, width: 3 } },
        ],
        layout: { name: "dagre", rankDir: "LR", nodeSep: 16, rankSep: 60, animate: false, useDagreControlPoints: true },
        minZoom: 0.05, maxZoom: 3,
      });
      graph.on("tap", "node", (event) => {
        const node = event.target.id();
        if (byName.has(node)) show(node, null); else showDomain(node);
      });
    }

    function highlight(keep, chosen) {
      graph.elements().removeClass("faded chosen trail");
      if (!keep) return;
      graph.nodes().forEach((node) => { if (!keep.has(node.id())) node.addClass("faded"); });
      graph.edges().forEach((edge) => {
        const inside = keep.has(edge.source().id()) && keep.has(edge.target().id());
        edge.addClass(inside ? "trail" : "faded");
      });
      if (chosen) graph.getElementById(chosen).addClass("chosen");
    }

    function showDomain(name) {
      const prefix = (each) => (each.includes(":") ? each.split(":")[0] : each.split("/")[0]);
      const nodes = drawn.nodes.filter((node) => prefix(node.name) === name);
      render({ ...drawn, nodes: nodes.slice(0, MOST) });
      panel.replaceChildren(element("h1", {}, name), element("p", {}, `${nodes.length} datasets${nodes.length > MOST ? `, the first ${MOST} are drawn` : ""}`),
        element("ul", {}, nodes.slice(0, MOST).map((node) => element("li", {}, nodeButton(node.name)))));
    }

    function nodeButton(name, own = null) {
      return element("button", { type: "button", class: "plain", onclick: () => show(name, own) }, own ? `${name}.${own}` : name);
    }

    function listOf(title, items) {
      return items.length ? [element("h2", {}, `${title} (${items.length})`), element("ul", {}, items.slice(0, 200).map((each) => element("li", {}, each)))] : [];
    }

    function show(name, own) {
      if (name === null || typeof name !== "string") return showAll(Boolean(name && name.red));
      const node = byName.get(name);
      if (!node) return showAll(false);
      if (drawn.nodes.length > MOST || !graph || graph.getElementById(name).empty())
        render(drawn.nodes.length > MOST ? around(drawn, name) : drawn);
      const pairs = drawn.edges.map(([from, to]) => [from, to]);
      const above = [...reached(pairs.map(([from, to]) => [to, from]), [name])];
      const below = [...reached(pairs, [name])];
      const trail = own ? columnTrail(drawn, name, own) : null;
      const keep = trail
        ? new Set([name, ...trail.above.map(([each]) => each), ...trail.below.map(([each]) => each)])
        : new Set([name, ...above, ...below]);
      highlight(keep, name);
      graph.animate({ fit: { eles: graph.nodes().filter((each) => keep.has(each.id())), padding: 40 } }, { duration: 150 });
      const words = { green: "fine", red: "red", unknown: "never made", outside: "outside of the platform" };
      const title = own ? `${name}.${own}` : name;
      panel.replaceChildren(
        element("h1", {}, title),
        element("p", {}, element("i", { class: `dot ${node.state}` }), words[node.state] || node.state,
          node.failed ? `, ${node.failed} checks fail` : "", node.warned ? `, ${node.warned} warn` : ""),
        element("dl", {},
          ...[["Owner", node.owner], ["Kind", node.kind], ["Version", node.version], ["Made in", node.code],
              ["Freshness", freshness[node.freshness] || ""], ["Set aside", node.quarantine ? rows(node.quarantine) : ""],
              ["Promised", (node.promises || []).join(", ")], ["Columns", drawn.unknown[name] ? `origin not known: ${drawn.unknown[name]}` : ""]]
            .filter(([, value]) => value).flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)])),
        ...(linkOf && linkOf(name) ? [element("p", {}, element("a", { href: linkOf(name) }, "Open its page"))] : []),
        ...listOf("Red above", (node.red_upstream || []).map((each) => nodeButton(each))),
        ...(own ? [
          element("p", {}, nodeButton(name)),
          ...listOf("Made of", trail.above.map(([dataset, each]) => nodeButton(dataset, each))),
          ...listOf("Reaches", trail.below.map(([dataset, each]) => each === "*" ? element("span", {}, "all rows of ", nodeButton(dataset)) : nodeButton(dataset, each))),
        ] : [
          ...listOf("Columns", node.columns.map((each) => element("button", { type: "button", class: "plain", onclick: () => show(name, each) }, each))),
          ...listOf("Above", above.sort().map((each) => nodeButton(each))),
          ...listOf("Below", below.sort().map((each) => nodeButton(each))),
        ]));
    }

    function showAll(red) {
      const whole = drawn.nodes.length > MOST;
      render(whole ? domainsOf(drawn) : drawn);
      const reds = drawn.nodes.filter((node) => node.state === "red");
      if (red && !whole) {
        const pairs = drawn.edges.map(([from, to]) => [from, to]);
        highlight(new Set([...reds.map((node) => node.name), ...reached(pairs, reds.map((node) => node.name))]), null);
      }
      const unknown = Object.entries(drawn.unknown);
      panel.replaceChildren(
        element("h1", {}, "Lineage"),
        element("p", {}, `${drawn.nodes.length} datasets, ${drawn.edges.length} edges, ${drawn.columns.length} between columns.`),
        element("p", {}, whole ? "Domains are drawn; choose one, or find a dataset." : "Choose a dataset, or find one."),
        ...listOf("Red", reds.map((node) => nodeButton(node.name))),
        ...listOf("Set aside", drawn.nodes.filter((node) => node.quarantine).map((node) => element("span", {}, nodeButton(node.name), ` ${rows(node.quarantine)}`))),
        ...listOf("Columns not known", unknown.map(([name, reason]) => element("span", {}, nodeButton(name), `: ${reason}`))));
    }

    if (focus) show(focus, column); else showAll(false);
    return { show, graph: () => graph };
  }

  return { draw, element, columnTrail, freshness, rows };
})();

if (document.getElementById("drawn")) {
  const drawn = JSON.parse(document.getElementById("drawn").textContent);
  const [focus, column] = decodeURIComponent(location.hash.slice(1)).split("#");
  Lineage.draw(document.getElementById("lineage"), drawn, { focus: focus || drawn.focus || null, column: column || drawn.column || null });
}
