"use strict";

/* Light, dark, or as the system has it. */

const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
const themeChoice = document.getElementById("theme");

function remembered() {
  try {
    return localStorage.getItem("ionsieve-theme") || "auto";
  } catch {
    return "auto"; // files opened from a mail may have no storage
  }
}

function applyTheme(choice) {
  if (choice === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  for (const target of drawnPlots) Plotly.relayout(target, coloursOf(target));
  for (const viewer of viewers.values()) viewer.setBackgroundColor(pageColour("--panel"));
}

/* The text of a variable is light-dark(...); only what wears it has one colour. The head is never shown. */
function pageColour(name) {
  document.head.style.color = `var(${name})`;
  return getComputedStyle(document.head).color;
}

/* Figures are drawn when they come near the window; data colours stay, text and grid take the page's. */

const drawnPlots = new Set();
const plotOptions = {
  responsive: true,
  displaylogo: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};

function coloursOf(target) {
  const axis = { gridcolor: pageColour("--line"), linecolor: pageColour("--soft"), color: pageColour("--ink") };
  const axes = Object.keys(target.layout).filter((name) => /^[xy]axis\d*$/.test(name));
  return {
    "font.color": pageColour("--ink"),
    "font.size": 13,
    "hoverlabel.bgcolor": pageColour("--panel"),
    "hoverlabel.bordercolor": pageColour("--soft"),
    "hoverlabel.font.color": pageColour("--ink"),
    ...Object.fromEntries(axes.flatMap((name) => Object.entries(axis).map(([key, value]) => [`${name}.${key}`, value]))),
  };
}

function sourceOf(id) {
  const element = document.querySelector(`script[data-figure="${id}"]`);
  return element && JSON.parse(element.textContent);
}

/* The figure of all candidates, with the traces of one alone. */
function ofCandidate(figure, material) {
  const own = figure.data.filter((trace) => trace.meta === material);
  if (!own.length) return null;
  const guides = figure.data.filter((trace) => trace.meta === undefined);
  return { data: [...own.map((trace) => ({ ...trace, visible: true })), ...guides], layout: figure.layout };
}

async function drawPlot(target) {
  if (drawnPlots.has(target) || target.dataset.empty) return;
  const material = target.closest(".candidate")?.dataset.material;
  let figure = sourceOf(target.dataset.from || target.id);
  if (figure && material) figure = ofCandidate(figure, material);
  if (!figure) {
    target.dataset.empty = "true";
    target.closest("figure").hidden = true;
    return;
  }
  drawnPlots.add(target);
  await Plotly.newPlot(target, figure.data, figure.layout, plotOptions);
  await Plotly.relayout(target, coloursOf(target));
}

const nearWindow = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
    nearWindow.unobserve(entry.target);
    drawPlot(entry.target);
  }),
  { rootMargin: "400px" },
);

/* Numbers sort as numbers, largest first; what is not known stays last either way. */

function sortBy(header) {
  const table = header.closest("table");
  const column = [...header.parentNode.children].indexOf(header);
  const key = (row) => row.children[column].dataset.sort;
  const unknown = (value) => ["", "None", "none", "nan", "<NA>"].includes(value);
  const rows = [...table.tBodies[0].rows];
  const numeric = rows.every((row) => unknown(key(row)) || Number.isFinite(Number(key(row))));
  const first = numeric && column > 0 ? "descending" : "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  const order = header.getAttribute("aria-sort") === first ? second : first;
  const sign = order === "ascending" ? 1 : -1;
  rows.sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (unknown(left) || unknown(right)) return unknown(left) - unknown(right);
    return sign * (numeric ? Number(left) - Number(right) : left.localeCompare(right));
  });
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
  table.tBodies[0].append(...rows);
}

/* Every word searched for must be in the row; the other choices narrow further. */

function filterRanking() {
  const form = document.getElementById("filters");
  const rows = [...document.getElementById("ranked").tBodies[0].rows];
  const words = form.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  const flag = form.flag.value;
  const flagFits = (flags) => {
    if (!flag) return true;
    if (flag === "!") return flags.length === 0;
    return flag.startsWith("!") ? !flags.includes(flag.slice(1)) : flags.includes(flag);
  };
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const fits =
      words.every((word) => text.includes(word)) &&
      (!form.status.value || row.dataset.status === form.status.value) &&
      (!form.source.value || row.dataset.source === form.source.value) &&
      flagFits(row.dataset.flags.split(" ").filter(Boolean));
    row.hidden = !fits;
    shown += fits;
  }
  form.querySelector("output").textContent = `${shown} of ${rows.length}`;
  document.getElementById("none-found").hidden = shown > 0;
}

/* Crystals: 3Dmol.js waits as text, and runs when the first one is looked at. */

const viewers = new Map();
// Shades of the working ion's own colour: other hues would be read as elements of the host.
const PATH_COLOURS = ["#D55E00", "#F2A25C", "#8A3C00", "#F7C9A0"];

function loadViewerLibrary() {
  if (window.$3Dmol) return;
  const script = document.createElement("script");
  script.textContent = document.getElementById("viewer-library").textContent;
  document.head.append(script);
}

function points(hundredths) {
  const places = [];
  for (let at = 0; at < hundredths.length; at += 3) {
    const [x, y, z] = hundredths.slice(at, at + 3).map((value) => value / 100);
    places.push({ x, y, z });
  }
  return places;
}

function showScene(viewer, scene) {
  viewer.removeAllModels();
  viewer.removeAllShapes();
  const atoms = points(scene.positions).map((place, index) => ({
    ...place, elem: scene.elements[index], serial: index, bonds: [], bondOrder: [],
  }));
  for (let at = 0; at < scene.bonds.length; at += 2) {
    const [one, other] = [scene.bonds[at], scene.bonds[at + 1]];
    for (const [from, to] of [[one, other], [other, one]]) {
      atoms[from].bonds.push(to);
      atoms[from].bondOrder.push(1);
    }
  }
  const model = viewer.addModel();
  model.addAtoms(atoms);
  const size = scene.paths.length ? 0.18 : 0.28;
  for (const [elem, color] of Object.entries(scene.colours)) {
    model.setStyle({ elem }, { sphere: { scale: size, color }, stick: { radius: 0.08, color } });
  }
  if (scene.cell) {
    const [a, b, c] = points(scene.cell);
    const corner = (i, j, k) => ({ x: i * a.x + j * b.x + k * c.x, y: i * a.y + j * b.y + k * c.y, z: i * a.z + j * b.z + k * c.z });
    for (const [i, j, k] of [[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]]) {
      for (const end of [corner(1 - i, j, k), corner(i, 1 - j, k), corner(i, j, 1 - k)]) {
        viewer.addCylinder({ start: corner(i, j, k), end, radius: 0.03, color: "#8a8f98" });
      }
    }
  }
  scene.paths.forEach((path, number) => {
    const places = points(path);
    const color = PATH_COLOURS[number % PATH_COLOURS.length];
    places.slice(1).forEach((end, index) => viewer.addCylinder({ start: places[index], end, radius: 0.14, color, fromCap: 2, toCap: 2 }));
    viewer.addSphere({ center: places[0], radius: 0.3, color });
    viewer.addSphere({ center: places[places.length - 1], radius: 0.3, color });
  });
  viewer.zoomTo();
  viewer.rotate(20, "y");
  viewer.rotate(12, "x");
  viewer.render();
}

function openViewer(page) {
  const target = page.querySelector(".viewer");
  if (!target) return;
  if (viewers.has(target)) {
    viewers.get(target).resize();
    return;
  }
  const scenes = JSON.parse(page.querySelector("script.scenes").textContent);
  let viewer;
  try {
    loadViewerLibrary();
    viewer = $3Dmol.createViewer(target, { backgroundColor: pageColour("--panel"), antialias: true });
    viewers.set(target, viewer);
    showScene(viewer, scenes.crystal || scenes.path);
  } catch {
    viewers.delete(target);
    target.textContent = "This browser has no WebGL, so the crystal cannot be drawn in 3D. The CIF is below.";
    return;
  }
  for (const button of page.querySelectorAll("[data-scene]")) {
    button.addEventListener("click", () => {
      for (const other of page.querySelectorAll("[data-scene]")) other.setAttribute("aria-pressed", other === button);
      showScene(viewer, scenes[button.dataset.scene]);
    });
  }
  for (const button of page.querySelectorAll("[data-turn]")) {
    button.addEventListener("click", () => {
      viewer.rotate(button.dataset.turn === "left" ? -30 : 30, "y");
      viewer.render();
    });
  }
  page.querySelector("[data-reset]").addEventListener("click", () => {
    page.querySelector('[data-scene][aria-pressed="true"]').click();
  });
}

/* A candidate's page is shown by its address, and the rest hidden. A class does that, since body:has(:target)
   makes the browser look at the whole page anew at each change within it. */

const pageTitle = document.title;

function followAddress() {
  const page = document.querySelector(".candidate:target");
  document.title = pageTitle;
  const leaving = !page && document.documentElement.classList.contains("one-candidate");
  document.documentElement.classList.toggle("one-candidate", page !== null);
  if (leaving) document.querySelector(":target")?.scrollIntoView({ block: "center" });
  if (!page) return;
  const heading = page.querySelector("h2");
  document.title = `${heading.textContent} · ${pageTitle}`;
  window.scrollTo(0, 0);
  heading.focus({ preventScroll: true });
  openViewer(page);
  if (window.Plotly) page.querySelectorAll(".canvas").forEach(drawPlot);
}

for (const button of document.querySelectorAll(".sortable th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

const filters = document.getElementById("filters");
if (filters) {
  filters.addEventListener("input", filterRanking);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => setTimeout(filterRanking));
  document.querySelector("[data-clear]").addEventListener("click", () => filters.reset());
  document.getElementById("ranked").tBodies[0].addEventListener("click", (event) => {
    const link = event.target.closest("tr").querySelector("th a");
    if (!event.target.closest("a") && !String(window.getSelection())) link.click();
  });
}

document.addEventListener("keydown", (event) => {
  const page = document.querySelector(".candidate:target");
  if (!page || event.target.closest("input, select")) return;
  const way = { Escape: ".paging a", ArrowLeft: "[rel=prev]", ArrowRight: "[rel=next]" }[event.key];
  if (way && !event.altKey && !event.target.closest(".scroll")) page.querySelector(way)?.click();
});

themeChoice.value = remembered();
themeChoice.addEventListener("change", () => {
  try {
    localStorage.setItem("ionsieve-theme", themeChoice.value);
  } catch {
    /* not kept, but applied */
  }
  applyTheme(themeChoice.value);
});
applyTheme(themeChoice.value);
systemDark.addEventListener("change", () => applyTheme(themeChoice.value));

if (window.Plotly) {
  document.querySelectorAll("main > section .canvas").forEach((target) => nearWindow.observe(target));
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("main > section .canvas").forEach((target) => target.offsetParent && drawPlot(target));
  });
}
window.addEventListener("hashchange", followAddress);
window.addEventListener("load", followAddress); // only then does the address's target exist
