"use strict";
// Rows are sorted by the values that cells hold beside their text; what is missing stays at the end.
for (const table of document.querySelectorAll("table[data-sorted]")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const original = [...body.rows];
  const value = (row, column) => row.cells[column].dataset.value ?? "";
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  };
  const sort = (column, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    const filled = original.filter((row) => value(row, column) !== "");
    const empty = original.filter((row) => value(row, column) === "");
    filled.sort((a, b) => sign * compare(value(a, column), value(b, column)));
    body.append(...filled, ...empty);
    heads.forEach((head, at) => head.setAttribute("aria-sort", at === column ? direction : "none"));
    select.value = String(column);
    turn.textContent = direction;
  };
  const next = (column) => (heads[column].getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");

  // on narrow screens rows are cards without heads: a list of columns takes their place
  const select = document.createElement("select");
  const turn = document.createElement("button");
  turn.type = "button";
  turn.textContent = "ascending";
  heads.forEach((head, column) => {
    select.add(new Option(head.textContent.trim(), String(column)));
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(column, next(column)));
    head.append(button);
    head.setAttribute("aria-sort", "none");
  });
  select.addEventListener("change", () => sort(Number(select.value), "ascending"));
  turn.addEventListener("click", () => sort(Number(select.value), next(Number(select.value))));
  const label = document.createElement("label");
  label.append("Sort by ", select);
  const bar = document.createElement("div");
  bar.className = "sorting";
  bar.append(label, turn);
  table.parentElement.before(bar);
}
