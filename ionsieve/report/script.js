"use strict";

const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");

const plotOptions = {
  responsive: true,
  displaylogo: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};

/* Text, grid and hover box in the page's own colours; data colours stay. */
function theme(target) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), linecolor: colour("--soft"), color: colour("--ink") };
  return {
    "font.color": colour("--ink"),
    "font.size": 13,
    "hoverlabel.bgcolor": colour("--panel"),
    "hoverlabel.bordercolor": colour("--soft"),
    "hoverlabel.font.color": colour("--ink"),
    ...Object.fromEntries(
      Object.keys(target.layout).filter((name) => /^[xy]axis\d*$/.test(name)).flatMap((name) => Object.entries(axis).map(([key, value]) => [`${name}.${key}`, value])),
    ),
  };
}

function draw() {
  const plots = [];
  for (const source of document.querySelectorAll("script[data-figure]")) {
    const { data, layout } = JSON.parse(source.textContent);
    const target = document.getElementById(source.dataset.figure);
    plots.push(target);
    Plotly.newPlot(target, data, layout, plotOptions).then(() => Plotly.relayout(target, theme(target)));
  }
  darkScheme.addEventListener("change", () => plots.forEach((target) => Plotly.relayout(target, theme(target))));
}

/* Numbers sort as numbers, largest first; what is not known stays last either way. */
function sortBy(header) {
  const table = header.closest("table");
  const column = [...header.parentNode.children].indexOf(header);
  const key = (row) => row.children[column].dataset.sort;
  const unknown = (value) => value === "" || value === "None" || value === "none" || value === "nan";
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

for (const button of document.querySelectorAll(".sortable th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}
if (window.Plotly) draw();
